"""``offhook_routes`` of the Twilio plugin: the number's fallback URL."""

from xml.etree import ElementTree

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import offhook_telephony_twilio


def test_the_fallback_apologizes_and_hangs_up() -> None:
    routes = offhook_telephony_twilio.offhook_routes()
    client = TestClient(Starlette(routes=[Mount("/plugins/twilio", routes=routes)]))
    for reply in (client.get("/plugins/twilio/fallback"), client.post("/plugins/twilio/fallback")):
        assert reply.status_code == 200
        assert [verb.tag for verb in ElementTree.fromstring(reply.text)] == ["Say", "Hangup"]
