"""Item bank, exam form, sitting, answers that are never lost, marking."""
