"""Courses: course, module, lecture, video, and the evidence that a lecture was watched."""
