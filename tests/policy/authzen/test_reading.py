"""Requests of the AuthZEN API: what is read, what is passed over, and what is refused in which words."""

import copy

import pytest

from policy.authzen import reading
from policy.authzen.model import Batch, Malformed, Question, Semantic, Wanted

WHOLE = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "record-1"},
}
BAD = {
    "no subject": ({"subject": None}, "subject is missing."),
    "no action": ({"action": None}, "action is missing."),
    "no resource": ({"resource": None}, "resource is missing."),
    "a subject without type": ({"subject": {"id": "a"}}, "subject.type is missing."),
    "a subject without id": ({"subject": {"type": "user"}}, "subject.id is missing."),
    "an action without name": ({"action": {}}, "action.name is missing."),
    "a resource without type": ({"resource": {"id": "1"}}, "resource.type is missing."),
    "a resource without id": ({"resource": {"type": "x"}}, "resource.id is missing."),
    "a subject that is text": ({"subject": "alice"}, "subject must be an object."),
    "an id that is a number": (
        {"subject": {"type": "user", "id": 7}}, "subject.id must be a string.",
    ),
    "an id that is null": (
        {"subject": {"type": "user", "id": None}}, "subject.id must be a string.",
    ),
    "a name that is a number": ({"action": {"name": 123}}, "action.name must be a string."),
    "an empty id": (
        {"resource": {"type": "x", "id": ""}}, "resource.id must have 1 to 1024 characters.",
    ),
    "a name without end": (
        {"action": {"name": "x" * 257}}, "action.name must have 1 to 256 characters.",
    ),
    "properties that are a list": (
        {"subject": {"type": "user", "id": "a", "properties": []}},
        "subject.properties must be an object.",
    ),
    "a context that is text": ({"context": "now"}, "context must be an object."),
}  # fmt: skip


def changed(changes):
    body = copy.deepcopy(WHOLE)
    for name, value in changes.items():
        body.pop(name, None)
        if value is not None:
            body[name] = value
    return body


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"x": value}
    return value


class TestEvaluation:
    def test_it_reads_the_four_parts(self):
        body = WHOLE | {"context": {"ip": "192.0.2.1"}}
        body["subject"] = body["subject"] | {"properties": {"role": "admin"}}

        question = reading.evaluation(body)

        assert (question.subject.type, question.subject.id) == ("user", "alice")
        assert question.subject.properties == {"role": "admin"}
        assert question.action.name == "read"
        assert (question.resource.type, question.resource.id) == ("record", "record-1")
        assert question.context == {"ip": "192.0.2.1"}

    def test_it_passes_over_what_it_does_not_know(self):
        body = WHOLE | {"foo": "bar", "page": 7, "evaluations": "nonsense"}
        body["subject"] = body["subject"] | {"identity": "x"}

        assert reading.evaluation(body) == reading.evaluation(WHOLE)

    @pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
    def test_it_says_what_is_wrong(self, changes, said):
        with pytest.raises(Malformed) as caught:
            reading.evaluation(changed(changes))

        assert str(caught.value) == said

    def test_it_goes_only_so_deep(self):
        reading.evaluation(WHOLE | {"context": nested(reading.MAX_DEPTH - 2)})
        with pytest.raises(Malformed, match="nested"):
            reading.evaluation(WHOLE | {"context": nested(reading.MAX_DEPTH)})


class TestEvaluations:
    @pytest.mark.parametrize("more", [{}, {"evaluations": []}], ids=["none", "empty"])
    def test_without_evaluations_it_is_a_single_one(self, more):
        assert reading.evaluations(WHOLE | more) == reading.evaluation(WHOLE)
        with pytest.raises(Malformed):
            reading.evaluations({"subject": WHOLE["subject"]} | more)

    def test_the_whole_gives_defaults(self):
        body = WHOLE | {"context": {"a": 1}, "evaluations": [{}, {"action": {"name": "write"}}]}

        first, second = reading.evaluations(body).items

        assert first == reading.evaluation(WHOLE | {"context": {"a": 1}})
        assert (second.action.name, second.subject.id) == ("write", "alice")

    def test_an_own_part_takes_the_place_of_the_default_as_a_whole(self):
        body = {
            **WHOLE,
            "resource": {"type": "record", "id": "r", "properties": {"secret": True}},
            "context": {"a": 1, "b": 2},
            "evaluations": [{"resource": {"type": "doc", "id": "d"}, "context": {"b": 3}}],
        }

        (only,) = reading.evaluations(body).items

        assert only.resource.properties == {}
        assert only.context == {"b": 3}

    def test_only_what_names_it_is_taken_over(self):
        """An own part that leaves its type, id or name out keeps the default's, and nothing else."""
        body = {
            "subject": WHOLE["subject"],
            "action": {"name": "write", "properties": {"soft": True}},
            "resource": {"type": "record", "properties": {"status": "archived"}},
            "evaluations": [{"resource": {"id": "record-1"}, "action": {}}],
        }

        (only,) = reading.evaluations(body).items

        assert (only.resource.type, only.resource.id) == ("record", "record-1")
        assert (only.action.name, only.action.properties) == ("write", {})
        assert only.resource.properties == {}

    def test_a_default_may_be_incomplete_where_nobody_needs_it(self):
        body = {"resource": {}, "evaluations": [WHOLE]}

        assert reading.evaluations(body).items == (reading.evaluation(WHOLE),)

    def test_one_that_cannot_be_read_leaves_the_others_alone(self):
        body = {
            "subject": WHOLE["subject"],
            "action": WHOLE["action"],
            "evaluations": [{"resource": WHOLE["resource"]}, {}, "x", {"resource": {"id": 1}}],
        }

        items = reading.evaluations(body).items

        assert isinstance(items[0], Question)
        assert [str(item) for item in items[1:]] == [
            "resource is missing.", "An evaluation must be an object.", "resource.type is missing.",
        ]  # fmt: skip
        assert reading.evaluations(body).questions == (items[0],)

    @pytest.mark.parametrize("word", list(Semantic))
    def test_semantics(self, word):
        body = WHOLE | {
            "evaluations": [{}],
            "options": {"evaluations_semantic": word.value, "x": 1},
        }

        assert reading.evaluations(body) == Batch((reading.evaluation(WHOLE),), word)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"evaluations": {}}, "evaluations must be an array."),
            ({"evaluations": None}, "evaluations must be an array."),
            ({"options": []}, "options must be an object."),
            ({"options": {"evaluations_semantic": "some"}}, "must be one of execute_all"),
            ({"options": {"evaluations_semantic": []}}, "must be one of execute_all"),
            ({"subject": "alice"}, "subject must be an object."),
            ({"context": 1}, "context must be an object."),
            ({"evaluations": [{}] * 201}, "more than 200"),
        ],
        ids=["object", "null", "options", "word", "list", "subject", "context", "many"],
    )
    def test_what_is_wrong_with_the_whole_refuses_the_whole(self, changes, said):
        with pytest.raises(Malformed) as caught:
            reading.evaluations(WHOLE | {"evaluations": [{}]} | changes)

        assert said in str(caught.value)


class TestSearch:
    def test_what_is_looked_for_may_be_there_and_is_passed_over(self):
        body = WHOLE | {"subject": {"type": "user", "id": 7}}

        assert reading.search(Wanted.SUBJECT, body).question.subject.id == ""
        assert reading.search(Wanted.ACTION, WHOLE | {"action": 3}).question.action.name == ""
        body = WHOLE | {"resource": {"type": "record", "id": []}}
        assert reading.search(Wanted.RESOURCE, body).question.resource.id == ""

    @pytest.mark.parametrize(
        ("wanted", "missing"),
        [
            (Wanted.SUBJECT, "action"), (Wanted.SUBJECT, "resource"), (Wanted.SUBJECT, "subject"),
            (Wanted.RESOURCE, "subject"), (Wanted.RESOURCE, "action"),
            (Wanted.ACTION, "resource"), (Wanted.ACTION, "subject"),
        ],
        ids=str,
    )  # fmt: skip
    def test_everything_else_is_needed(self, wanted, missing):
        with pytest.raises(Malformed, match=f"{missing} is missing"):
            reading.search(wanted, changed({missing: None}))

    def test_the_given_parts_are_whole(self):
        with pytest.raises(Malformed, match=r"resource\.id is missing"):
            reading.search(Wanted.SUBJECT, WHOLE | {"resource": {"type": "record"}})
        with pytest.raises(Malformed, match=r"subject\.id is missing"):
            reading.search(Wanted.RESOURCE, WHOLE | {"subject": {"type": "user"}})

    def test_pages(self):
        search = reading.search(
            Wanted.SUBJECT, WHOLE | {"page": {"limit": 5, "token": "x", "y": 1}}
        )

        assert (search.limit, search.token, search.is_paged) == (5, "x", True)
        assert reading.search(Wanted.SUBJECT, WHOLE).is_paged is False

    @pytest.mark.parametrize(
        "page",
        ["x", {"limit": -1}, {"limit": True}, {"limit": 1.5}, {"limit": "5"}, {"token": 7},
         {"token": "x" * 1025}],
        ids=["text", "negative", "boolean", "fraction", "digits", "number", "long"],
    )  # fmt: skip
    def test_pages_of_another_shape_are_refused(self, page):
        with pytest.raises(Malformed, match="page"):
            reading.search(Wanted.SUBJECT, WHOLE | {"page": page})

    def test_a_candidate_closes_the_question(self):
        for wanted, part in ((Wanted.SUBJECT, "subject"), (Wanted.RESOURCE, "resource")):
            search = reading.search(wanted, WHOLE)
            assert getattr(search.with_candidate("bob"), part).id == "bob"
            assert search.result("bob")["id"] == "bob"
        search = reading.search(Wanted.ACTION, WHOLE)
        assert search.with_candidate("write").action.name == "write"
        assert search.result("write") == {"name": "write"}
