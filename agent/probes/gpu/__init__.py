"""GPUs as the PCI bus and their drivers see them."""
