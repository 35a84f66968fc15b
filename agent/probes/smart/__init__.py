"""What a drive reports about its own health (smartctl), part by part."""
