"""What packagers install besides the command: the man page and the completion of the shell, made from the help."""
