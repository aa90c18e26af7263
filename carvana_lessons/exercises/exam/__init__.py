"""Questions of an exam, four for each chapter: numbers by hand, code with a fault, and short explanations.

They stand in a public repository, and so do their answers: who looks for them finds them. What differs from exam to
exam are the numbers, which a seed draws, and with them the answers, which are computed.
"""
