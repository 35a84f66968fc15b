"""What the inventory's pages in the administration show and do of runs, added to those of `hosts`."""
