"""An SSH server with SFTP on 127.0.0.1 for anyone who asks; prints its port, and serves until it is killed."""

import asyncio

import asyncssh


class Open(asyncssh.SSHServer):  # type: ignore[misc]
    """Asks nobody who they are."""

    def begin_auth(self, username: str) -> bool:
        """No authentication."""
        return False


async def main() -> None:
    """Serve files."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(Open, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=True)
    print(server.get_port(), flush=True)
    await server.wait_closed()


asyncio.run(main())
