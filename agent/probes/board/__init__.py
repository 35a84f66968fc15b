"""System, processors and memory, as firmware and kernel list them."""
