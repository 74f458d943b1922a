"""Images: given beforehand, then named by a goal or a message; shown to whoever they belong to."""

from __future__ import annotations

from ...model.access import Principal
from ...model.errors import NotFound, TooMany
from ...model.image import Digest, Image
from ..routing import IMAGE_TYPES, Attachment, House, ImageUpload, route


@route("POST", "/images", scope="processes:send", status=201, errors=(TooMany,))
async def keep_image(house: House, who: Principal, body: ImageUpload) -> Image:
    """Keep an image so that a goal or a message can name it. What no agent was given within a day goes again.

    A PNG, JPEG, WebP or GIF of at most 10 MB and 50 million pixels; what it is, its bytes tell.
    """
    return await house.images.keep(who, body.content)


@route("GET", "/images/{digest}", scope="processes:read", media=IMAGE_TYPES, errors=(NotFound,))
async def get_image(house: House, who: Principal, digest: Digest) -> Attachment:
    """The bytes of an image that one gave, or that a tool of one's agents made."""
    image, content = await house.images.content(who, digest)
    return Attachment(f"{image.digest[:12]}.{image.media_type.removeprefix('image/')}", image.media_type, content)
