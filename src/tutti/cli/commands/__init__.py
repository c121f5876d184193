"""The commands, one module each; `tutti.cli.group` says where they are."""
