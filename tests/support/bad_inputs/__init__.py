"""Inputs that must be refused, each with the class and the words of its error."""
