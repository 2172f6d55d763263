"""Requests of a study, made up by schemathesis from their description: none fails the server."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from small_study import study_server, write_study

from reidaug.app.study.pages import GivenAnswer


def described() -> dict[str, Any]:
    """The requests of a study's page, as an OpenAPI document."""

    def parameter(name: str, kind: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "path", "required": True, "schema": kind}

    token = parameter("token", {"type": "string", "minLength": 1})
    number, image = parameter("round", {"type": "integer"}), parameter("image", {"type": "string"})
    statuses = ("200", "400", "403", "404", "405", "409", "413", "415")
    answers = {status: {"description": status} for status in statuses}
    body = {"application/json": {"schema": GivenAnswer.model_json_schema()}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "study", "version": "1"},
        "paths": {
            "/study/{token}": {"get": {"parameters": [token], "responses": answers}},
            "/study/{token}/state": {"get": {"parameters": [token], "responses": answers}},
            "/study/{token}/answer": {
                "post": {
                    "parameters": [token],
                    "requestBody": {"required": True, "content": body},
                    "responses": answers,
                }
            },
            "/study/{token}/{round}/{image}": {
                "get": {"parameters": [token, number, image], "responses": answers}
            },
        },
    }


@pytest.mark.slow
def test_no_request_that_can_be_described_fails_the_server(tmp_path: Path) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
    study = write_study(tmp_path / "study", participants=1)
    with study.answers() as kept:
        token = kept.participants()[0].token
    schema = schemathesis.openapi.from_dict(described())
    statuses = Counter[int]()
    with study_server(study.path) as server:
        valid, wrong = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
        found = [operation.ok() for operation in schema.get_all_operations()]
        modes = [(operation, valid) for operation in found]
        modes += [(operation, wrong) for operation in found if operation.method == "post"]
        for operation, mode in modes:

            @settings(max_examples=25)
            @given(operation.as_strategy(generation_mode=mode))
            def check(case: Any) -> None:
                for known in (case.path_parameters.get("token"), token):
                    case.path_parameters["token"] = known
                    answer = case.call(base_url=server.address)
                    statuses[answer.status_code] += 1
                    assert answer.status_code < 500

            check()
    assert {200, 400, 404, 409} <= statuses.keys()
