"""The line of a container to the centre, which can be cut and mended."""

from dataclasses import dataclass

from demo.compose.docker import Docker


@dataclass(frozen=True)
class NetworkLine:
    """A container on a network."""

    docker: Docker
    network: str
    container: str

    def cut(self) -> None:
        """Take the container off the network, as a pulled cable would."""
        self.docker("network", "disconnect", "--force", self.network, self.container)

    def mend(self) -> None:
        """Put it back."""
        self.docker("network", "connect", self.network, self.container)
