"""POST /v1/submissions: rows in, overlaps out."""

from __future__ import annotations

from datetime import date

import msgspec
from flask import Response, request
from marshmallow import ValidationError

from exchange.log.receipts import sign_receipt
from exchange.submissions.parts import SubmissionRequest
from exchange.submissions.reading import RowsError, UnreadPart, read_head, read_rows
from exchange.submissions.submit import submit_indicators
from exchange.web.authentication import current_actor, idempotency_key
from exchange.web.context import current_context
from exchange.web.forms import load_form
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, problem_responses, request_sha256
from exchange.web.problems import InvalidFormError
from schemas.submissions import (
    MAX_PARTS,
    SubmissionAnswer,
    SubmissionEnvelope,
    SubmittedPart,
)
from schemas.values.derived import field_of, schema_of
from schemas.values.identifiers import is_uuid7

blueprint = Blueprint("submissions", __name__, url_prefix="/v1", description="Submitting indicators")
_ENVELOPE = schema_of(SubmissionEnvelope)()
_REASON = field_of(SubmittedPart, "relist")


@blueprint.route("/submissions", methods=["POST"])
@blueprint.doc(
    parameters=POST_PARAMETERS,
    summary="Submit a part of a submission",
    requestBody={"required": True, "content": {"application/json": {"schema": schema_of(SubmittedPart)}}},
)
@problem_responses(blueprint, 401, 403, 409, 413)
@blueprint.alt_response(200, schema=SubmissionAnswer, success=True)
@blueprint.response(201, SubmissionAnswer)
def submit() -> Response:
    """The answer leaves after the commit; its receipt is signed then. A repetition is answered with 200."""
    context, now = current_context(), current_context().clock()
    answer = submit_indicators(
        context.database,
        current_actor(),
        _read(request.get_data(cache=True), now.date()),
        now=now,
        merge_delay_seconds=context.settings.merge_delay_seconds,
        rules=context.policy.rules,
    )
    receipt = sign_receipt(context.receipt_key, msgspec.to_builtins(answer.receipt))
    body = SubmissionAnswer(**msgspec.structs.asdict(answer.result), receipt=receipt, hits=answer.hits)
    return answer_json(body, 200 if answer.is_repeated else 201)


def _read(body: bytes, today: date) -> SubmissionRequest:
    try:
        head = read_head(body)
        rows = read_rows(head.rows, today, head.taken_back)
    except RowsError as error:
        raise InvalidFormError({"rows": [str(error)]}) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidFormError(
            {"body": ["expected submission_id, part, envelope, rows, and if need be relist, relist_rows, taken_back"]}
        ) from None
    if not is_uuid7(head.submission_id):
        raise InvalidFormError({"submission_id": ["expected a UUID of version 7 in lower case"]})
    if not 0 <= head.part <= MAX_PARTS:
        raise InvalidFormError({"part": [f"expected 0 to {MAX_PARTS}"]})
    envelope: SubmissionEnvelope = load_form(_ENVELOPE, head.envelope)
    envelope = msgspec.structs.replace(envelope, conditions=envelope.conditions or "")
    return SubmissionRequest(
        submission_id=head.submission_id,
        part=head.part,
        envelope=envelope,
        rows=rows,
        relist=_relist(head.relist),
        relist_rows=_relist_rows(head),
        idempotency_key=idempotency_key(),
        request_sha256=request_sha256(),
    )


def _relist(given: str | None) -> str | None:
    """An empty reason is left to the rules, so that the refusal is recorded."""
    try:
        return None if given is None else str(_REASON.deserialize(given))
    except ValidationError as error:
        raise InvalidFormError({"relist": error.messages}) from None


def _relist_rows(head: UnreadPart) -> frozenset[int] | None:
    """Whether they are rows of the request is not looked at: what is none of them names nothing."""
    if head.relist_rows is None:
        return None
    if head.relist is None:
        raise InvalidFormError({"relist_rows": ["relist is missing: it says why these rows are listed again"]})
    return frozenset(head.relist_rows)
