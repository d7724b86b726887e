"""What `import tagger` offers a program: a model that tags pictures, and the tables of a night."""
