"""A service that reads digits: pictures in, JSON out.

    pip install 'mnistkit[serve]'        # or: pip install mnistkit-runtime fastapi uvicorn python-multipart
    uvicorn --app-dir examples/service app:app --workers 2

``POST /predict`` for pictures of one digit each, ``POST /read`` for pages. The body is a picture's file, a form with files, or
JSON: ``{"pictures": ["data:image/png;base64,..."]}``, as a canvas's ``toDataURL()`` gives it. The answers are in the order of the
pictures; one that cannot be read has an ``error`` in its place. A blank one is ``rejected``, and so is what looks like no digit.

``GET /health`` says that the service is ready.
"""

import base64
import binascii
import functools
import io
import os
from collections.abc import Awaitable, Callable, MutableMapping

# Each request is for one thread, whichever program computes; before mnistkit is imported, since torch looks at it then.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import anyio
import PIL.Image
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as AnyHTTPException

import mnistkit
from mnistkit import Predictor
from mnistkit.errors import ConfigError, ImageError
from mnistkit.imaging import sample_picture

MAX_BYTES = 10_000_000  # of a request
MAX_PICTURES = 64  # in a request
MAX_PIXELS = 25_000_000  # of a picture: a large photo
MAX_WAITING = 64  # requests; one more is told to come again

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Answer = dict[str, object]


class LimitedBody:
    """Stops reading a request where its body becomes too large, whatever its headers say."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: object) -> None:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            body = message.get("body", b"")
            read += len(body) if isinstance(body, bytes) else 0
            if read > MAX_BYTES:
                raise HTTPException(413, f"the request is larger than {MAX_BYTES:,} bytes")
            return message

        await self.app(scope, limited, send)


class Service:
    """The predictor, and as many requests at once as there are processors; the others wait, up to a number."""

    def __init__(self) -> None:
        self.predictor = Predictor(device="cpu")
        self.processors = anyio.CapacityLimiter(os.cpu_count() or 1)
        self.waiting = 0
        # What is loaded when it is first needed is loaded now.
        self.predictor.read(sample_picture("numbers"))

    async def predict(self, request: Request, coverage: float = 0.98) -> JSONResponse:
        """The digit in each picture; ``coverage`` is the share of good pictures that should get an answer."""
        return await self._answer(request, lambda picture: self.predictor.predict(picture, coverage=coverage).to_json())

    async def read(self, request: Request, coverage: float = 0.98) -> JSONResponse:
        """All digits in each picture, line by line."""
        return await self._answer(request, lambda picture: self.predictor.read(picture, coverage=coverage).to_json())

    async def health(self) -> Answer:
        """Whether requests are answered, by which version."""
        return {"status": "ok", "version": mnistkit.__version__, "waiting": self.waiting}

    async def _answer(self, request: Request, say: Callable[[bytes], object]) -> JSONResponse:
        if self.waiting >= MAX_WAITING:
            raise HTTPException(503, "too many requests are waiting", {"Retry-After": "1"})
        self.waiting += 1
        try:
            pictures = await pictures_in(request)
            answers = []
            for picture in pictures:
                work = functools.partial(answer, picture, say)
                answers.append(await anyio.to_thread.run_sync(work, limiter=self.processors))
        finally:
            self.waiting -= 1
        unread = all("error" in one for one in answers)
        return JSONResponse({"answers": answers}, 422 if unread else 200)


def answer(picture: bytes, say: Callable[[bytes], object]) -> Answer:
    """What is said of a picture, or why nothing can be."""
    try:
        with PIL.Image.open(io.BytesIO(picture)) as opened:
            width, height = opened.size
    except (OSError, ValueError, PIL.Image.DecompressionBombError):
        return error("ImageError", "this is no picture's file: expected PNG, JPEG, WebP, GIF, BMP or TIFF")
    if width * height > MAX_PIXELS:
        return error("ImageError", f"the picture has {width} x {height} pixels, expected at most {MAX_PIXELS:,}")
    try:
        said = say(picture)
    except ImageError as problem:
        return error(type(problem).__name__, str(problem))
    assert isinstance(said, dict)
    return said


async def pictures_in(request: Request) -> list[bytes]:
    """The files in a request.

    A text is never given to mnistkit as it came: it might be the path of a file on this machine.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with request.form(max_files=MAX_PICTURES) as form:
            files = [await part.read() for _, part in form.multi_items() if not isinstance(part, str)]
    elif kind == "application/json":
        try:
            content = await request.json()
        except ValueError as problem:
            raise HTTPException(400, f"the body is no JSON: {problem}") from problem
        texts = content.get("pictures") if isinstance(content, dict) else None
        if not isinstance(texts, list):
            raise HTTPException(400, 'expected {"pictures": [...]} with data URLs or base64')
        files = await run_in_threadpool(lambda: [decoded(text) for text in texts[: MAX_PICTURES + 1]])
    else:
        files = [await request.body()]
    if not 0 < len(files) <= MAX_PICTURES:
        raise HTTPException(400, f"got {len(files) or 'no'} pictures, expected 1 to {MAX_PICTURES}")
    return files


def decoded(text: object) -> bytes:
    """The file in a data URL or in base64; of anything else nothing, which is no picture."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def error(kind: str, message: str) -> Answer:
    """An error as JSON."""
    return {"error": {"kind": kind, "message": message}}


async def http_error(_: Request, problem: Exception) -> JSONResponse:
    """What is wrong with a request, or with its path."""
    assert isinstance(problem, AnyHTTPException)
    return JSONResponse(error("HTTPError", str(problem.detail)), problem.status_code, problem.headers)


async def config_error(_: Request, problem: Exception) -> JSONResponse:
    """An argument that cannot be used, such as coverage=2."""
    return JSONResponse(error(type(problem).__name__, str(problem)), 400)


def create_app() -> FastAPI:
    """The service with its own predictor."""
    made, service = FastAPI(title="mnistkit", version=mnistkit.__version__), Service()
    made.add_middleware(LimitedBody)
    made.add_api_route("/predict", service.predict, methods=["POST"])
    made.add_api_route("/read", service.read, methods=["POST"])
    made.add_api_route("/health", service.health, methods=["GET"])
    made.add_exception_handler(AnyHTTPException, http_error)
    made.add_exception_handler(ConfigError, config_error)
    return made


app = create_app()
