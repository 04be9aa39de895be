"""A server of one tool that says its argument again, on the official SDK and on standard streams."""

from mcp.server import MCPServer

server = MCPServer("echo")


@server.tool()
def say(text: str) -> str:
    """Says it again."""
    return text


if __name__ == "__main__":
    server.run("stdio")
