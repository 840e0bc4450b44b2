"""Hospitals, programme, cohort, enrolment, placement (NICU, PICU) and mentor pairing."""
