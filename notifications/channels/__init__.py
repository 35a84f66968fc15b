"""Ways to reach a person. A channel is a file with `KIND` and `send`; adding one is that file, a line here
and its word in `Target.kind` of vetting/config.py."""

from notifications.channel import Channel
from notifications.channels import discord, ntfy, smtp

CHANNELS: dict[str, Channel] = {channel.KIND: channel for channel in (ntfy, discord, smtp)}
