"""What a file or folder is and holds, as the readers see it, without anything about a patient.

The real readers run in a child process, so an inspection says what a prediction or a comparison
would say. Nothing is imported here, because the child must start quickly.
"""
