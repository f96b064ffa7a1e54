import pytest
from django.http import QueryDict
from django.test import RequestFactory

from core.errors import Refusal
from idp.requests.parameters import AuthorizationParams, LogoutParams, parameters_of, with_query

BASE = "client_id=app&redirect_uri=https://a.example/cb"


def parse(text: str) -> AuthorizationParams:
    return AuthorizationParams.parse(QueryDict(text))


class TestParse:
    def test_it_reads_lists_in_order_and_each_word_once(self) -> None:
        params = parse(f"{BASE}&scope=openid+email++openid&prompt=login+consent&acr_values=aal2")

        assert params.scope == ("openid", "email")
        assert params.prompt == ("login", "consent")
        assert params.acr_values == ("aal2",)

    def test_an_empty_parameter_counts_as_absent(self) -> None:
        assert parse(f"{BASE}&state=&nonce=").state is None

    def test_unknown_parameters_are_ignored(self) -> None:
        assert parse(f"{BASE}&foo=1&foo=2&claims=%00").client_id == "app"

    @pytest.mark.parametrize(
        "more",
        [
            "&client_id=other",
            "&state=a&state=b",
            "&state=%00",
            "&state=%C3%A9",
            "&state=%FF",
            "&scope=openid%0Aprofile",
            "&nonce=" + "n" * 2001,
            "&login_hint=%00",
            "&login_hint=" + "a" * 2001,
            "&id_token_hint=" + "a" * 4001,
        ],
    )
    def test_it_refuses_what_no_client_would_send(self, more: str) -> None:
        with pytest.raises(Refusal) as refused:
            parse(BASE + more)

        assert refused.value.code == "invalid_request"

    @pytest.mark.parametrize("text", ["", "client_id=app", "redirect_uri=https://a.example/cb"])
    def test_client_and_redirect_uri_are_mandatory(self, text: str) -> None:
        with pytest.raises(Refusal):
            parse(text)

    def test_a_login_hint_may_be_a_name_of_any_language(self) -> None:
        assert parse(f"{BASE}&login_hint=j%C3%BCrgen@acme.example").login_hint.startswith("jürgen")

    def test_resources_may_be_several(self) -> None:
        params = parse(f"{BASE}&resource=https://a.example&resource=https://b.example&resource=")

        assert params.resource == ("https://a.example", "https://b.example")

    @pytest.mark.parametrize(
        "more", ["&resource=a%20b", "&resource=%00", "&resource=%C3%A9", "&resource=" + "a" * 2001]
    )
    def test_a_resource_is_a_uri_of_its_characters(self, more: str) -> None:
        with pytest.raises(Refusal):
            parse(BASE + more)


class TestJson:
    def test_what_is_stored_comes_back_the_same(self) -> None:
        params = parse(
            f"{BASE}&response_type=code&scope=openid+email&state=s&nonce=n&code_challenge=c"
            "&code_challenge_method=S256&prompt=login&max_age=5&acr_values=aal2&login_hint=a"
        ).with_subject("alice")

        assert AuthorizationParams.from_json(params.to_json()) == params

    def test_the_hint_itself_is_not_stored(self) -> None:
        params = parse(f"{BASE}&id_token_hint=eyJ.x.y").with_subject("alice")

        assert "id_token_hint" not in params.to_json()

    def test_unknown_fields_of_another_release_are_passed_over(self) -> None:
        stored = parse(BASE).to_json() | {"from_the_future": 1}

        assert AuthorizationParams.from_json(stored) == parse(BASE)

    def test_an_answered_prompt_is_gone(self) -> None:
        params = parse(f"{BASE}&prompt=login+consent").answered("consent")

        assert params.prompt == ("login",)


class TestParametersOf:
    def test_query_and_form_count_together(self) -> None:
        request = RequestFactory().post(
            "/oauth/authorize?state=a", "state=b", content_type="application/x-www-form-urlencoded"
        )

        assert parameters_of(request).getlist("state") == ["a", "b"]

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", ""])
    def test_only_forms_are_posted(self, kind: str) -> None:
        with pytest.raises(Refusal):
            parameters_of(RequestFactory().post("/oauth/authorize", b"{}", content_type=kind))

    def test_eight_kilobytes_are_the_most(self) -> None:
        with pytest.raises(Refusal):
            parameters_of(RequestFactory().get("/oauth/authorize?a=" + "b" * 8192))


class TestWithQuery:
    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("https://a.example/cb", "https://a.example/cb?state=x%20%26%2F"),
            ("https://a.example/cb?", "https://a.example/cb?state=x%20%26%2F"),
            ("https://a.example/cb?b=%7e", "https://a.example/cb?b=%7e&state=x%20%26%2F"),
            ("com.example.app:/cb", "com.example.app:/cb?state=x%20%26%2F"),
        ],
    )
    def test_the_query_that_is_there_survives(self, uri: str, expected: str) -> None:
        assert with_query(uri, {"state": "x &/"}) == expected

    def test_nothing_to_add_changes_nothing(self) -> None:
        assert with_query("https://a.example/", {}) == "https://a.example/"


class TestLogoutParams:
    def test_its_fields_are_those_that_were_sent(self) -> None:
        params = LogoutParams.parse(QueryDict("client_id=app&state=s&other=1"))

        assert params.fields() == [("client_id", "app"), ("state", "s")]

    def test_double_parameters_are_refused(self) -> None:
        with pytest.raises(Refusal):
            LogoutParams.parse(QueryDict("state=a&state=b"))
