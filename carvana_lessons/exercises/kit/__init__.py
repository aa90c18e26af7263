"""What an instructor hands out or shows, made from the executed chapters: slides, and one printed page a chapter.

Nothing here is written twice: titles, pictures, code and summaries are the notebooks' own, terms are the glossary's.
"""
