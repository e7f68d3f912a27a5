"""The subcommands of `simaccel`, one file each. A file has a function `command`, from which typer reads the options."""
