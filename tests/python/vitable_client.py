"""The official client, unchanged, against `rosterd sandbox`: `vitable_client.py BASE_URL`.

Prints one line for each thing it saw and exits 0, or fails with what was otherwise.
"""

import datetime
import sys
import time

from vitable_connect import AddressRequest, GroupMemberSyncMemberRequest, VitableConnect
from vitable_connect.errors import BadRequestError, ConflictError, NotFoundError, UnauthorizedError


def member(reference, **changed):
    fields = {
        "reference_id": reference,
        "first_name": "Ada",
        "last_name": "Quill",
        "date_of_birth": datetime.date(1990, 5, 15),
        "phone": "5550100101",
        "plan_id": "pln_gold",
        "email": "ada.quill@mail.example",
        "address": AddressRequest(
            address_line1="1 Elm St", address_line2="Apt 2", city="Troy", state="NY", zipcode="12180-0001"
        ),
    }
    fields.update(changed)
    return GroupMemberSyncMemberRequest(**fields)


def expect(error, call):
    try:
        call()
    except error as refused:
        assert refused.body.trace_id, refused.body
        assert refused.body.message == refused.body.error
        return refused.body
    raise AssertionError(f"{error.__name__} was expected")


def wait(client, group, request_id):
    until = time.monotonic() + 30
    while True:
        request = client.groups.members.sync.get(group, request_id).data
        assert request.request_id == request_id and request.group_id == group
        if request.completed_at is not None:
            return request
        assert request.results is None
        assert time.monotonic() < until, "the sync did not end within 30 seconds"
        time.sleep(0.02)


def main(base_url):
    client = VitableConnect(base_url=base_url, api_key="vit_apk_sandbox", max_retries=0)

    plans = {plan.id: plan.name for plan in client.plans.list()}
    assert plans == {"pln_gold": "Gold", "pln_silver": "Silver"}, plans
    print("plans", len(plans))

    group = client.groups.create(name="From Python", external_reference_id="python").data
    assert group.id.startswith("grp_") and group.created_at.tzinfo is not None
    references = [group.external_reference_id for group in client.groups.list(limit=2)]
    assert references == ["acme-east", "acme-west", "demo", "python"], references
    assert client.groups.get(group.id).data == group
    renamed = client.groups.update(group.id, name="Renamed").data
    assert (renamed.name, renamed.external_reference_id) == ("Renamed", "python")
    print("groups", len(references))

    roster = [member("e-1"), member("e-2", email=None), member("e-3", plan_id="pln_nobody")]
    request = client.groups.members.sync.submit(group.id, members=roster).data
    assert request.request_id.startswith("grpmsr_") and request.group_id == group.id
    done = wait(client, group.id, request.request_id)
    assert done.completed_at >= done.accepted_at
    assert len(done.results.added_group_member_ids) == 2 and not done.results.removed_group_member_ids
    [failure] = done.results.failures
    assert (failure.reference_id, failure.operation) == ("e-3", "add")
    assert failure.reason == "Plan pln_nobody not found"
    print("added", len(done.results.added_group_member_ids))

    request = client.groups.members.sync.submit(group.id, members=[member("e-2")]).data
    removed = wait(client, group.id, request.request_id).results.removed_group_member_ids
    assert removed == done.results.added_group_member_ids[:1], removed
    print("removed", len(removed))

    wrong = [member("e-2", phone="555-0100"), member("e-2")]
    body = expect(BadRequestError, lambda: client.groups.members.sync.submit(group.id, members=wrong))
    assert "members[0].phone" in body.message and "members[1].reference_id" in body.message, body.message
    expect(ConflictError, lambda: client.groups.create(name="Again", external_reference_id="python"))
    expect(NotFoundError, lambda: client.groups.get("grp_nobodys"))
    stranger = VitableConnect(base_url=base_url, api_key="vit_apk_wrong", max_retries=0)
    expect(UnauthorizedError, lambda: list(stranger.plans.list()))
    print("errors", 4)


if __name__ == "__main__":
    main(sys.argv[1])
