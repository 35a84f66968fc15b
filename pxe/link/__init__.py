"""The link over which hosts are measured: the iperf3 servers, the bench's own port, and its own loopback."""
