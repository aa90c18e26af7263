"""Exercises of chapter 10."""

from carvana_lessons.exercises.quiz import Choice, Question, Quiz

quiz = Quiz((Question("?", (Choice("Yes.", "Yes.", right=True), Choice("No.", "No."))),))
