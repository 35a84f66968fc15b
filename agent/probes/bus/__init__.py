"""Cards on PCIe and devices on USB, and the speed of their links."""
