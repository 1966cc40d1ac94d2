"""A way to a service on which answers are lost."""

import httpx2


class Losing(httpx2.AsyncHTTPTransport):
    """Loses the answers to so many writes, after the service has carried them out."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        if self.loses and request.method != "GET":
            self.loses -= 1
            await answer.aclose()
            raise httpx2.ReadError("the answer was lost")
        return answer
