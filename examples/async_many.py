"""Many calls at once with asyncio, at most eight in flight, keeping what fails.

python async_many.py                 on an embedded provider (no account, and no real model)
python async_many.py fast            on your own: the first provider whose key is found
"""

import asyncio
import sys

import saferoute
from saferoute.testing import EmbeddedProvider

QUESTIONS = [f"What is {number} times {number}?" for number in range(1, 21)]


async def main(client: saferoute.AsyncClient, route: str) -> None:
    places = asyncio.Semaphore(8)

    async def ask(question: str) -> str | saferoute.SaferouteError:
        async with places:
            try:
                return (await client.chat(route, question, max_output_tokens=100)).text
            except saferoute.SaferouteError as error:
                return error

    answers = await asyncio.gather(*(ask(question) for question in QUESTIONS))
    print(answers[0])
    print(f"{sum(isinstance(answer, str) for answer in answers)} of {len(answers)} answered")


async def start() -> None:
    if len(sys.argv) > 1:
        async with saferoute.AsyncClient.local() as mine:
            await main(mine, sys.argv[1])
        return
    with EmbeddedProvider() as provider:
        async with saferoute.AsyncClient.local(servers=[saferoute.loopback("demo", port=provider.port)]) as demo:
            await main(demo, "demo/any-model")
        print(f"over {provider.connections} connections")


asyncio.run(start())
