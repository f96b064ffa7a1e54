// openid-client where nothing is a bearer's: keys in place of secrets, pushed and signed requests,
// signed answers, tokens bound by DPoP with the server's nonces, and a device without a browser.
import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";
import { claimsOf, importSigningKey, newSigningKey, play, refusal, scene, thumbprint } from "./steps.mjs";

const { callback, signed_out: signedOut } = scene;
const person = scene.users.find(({ email }) => email === "bob@acme.example");
const server = new URL(scene.base_url);
const options = { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] };
const browser = new Browser({
  person,
  homes: [callback, `${signedOut}?`],
  end: /You are connected/,
});

const STEPS = {
  // A client with the FAPI 2 profile, which an administrator has registered.
  async pushed() {
    const { client_id: clientId, jwk } = scene.fapi2;
    this.config = await oidc.discovery(
      server,
      clientId,
      { id_token_signed_response_alg: "ES256" },
      oidc.PrivateKeyJwt(await importSigningKey(jwk), audienceIsIssuer),
      options,
    );
    this.pair = await oidc.randomDPoPKeyPair("ES256");
    this.DPoP = oidc.getDPoPHandle(this.config, this.pair);
    const { url, tokens } = await signIn({
      config: this.config,
      DPoP: this.DPoP,
      address: (parameters) =>
        oidc.buildAuthorizationUrlWithPAR(this.config, parameters, { DPoP: this.DPoP }),
    });
    this.tokens = tokens;
    const { cnf } = claimsOf(tokens.access_token);
    return {
      parameters: [...url.searchParams.keys()].sort(),
      token_type: tokens.token_type,
      bound_to_the_key: cnf.jkt === (await thumbprint(this.pair.publicKey)),
      has_refresh_token: tokens.refresh_token !== undefined,
    };
  },

  async unpushed() {
    const plain = signIn({
      config: this.config,
      DPoP: this.DPoP,
      address: (parameters) => oidc.buildAuthorizationUrl(this.config, parameters),
    });
    return { answer: await refusal(plain) };
  },

  async userinfo() {
    const { access_token: token } = this.tokens;
    const { sub } = this.tokens.claims();
    const said = await oidc.fetchUserInfo(this.config, token, sub, { DPoP: this.DPoP });
    const other = oidc.getDPoPHandle(this.config, await oidc.randomDPoPKeyPair("ES256"));
    return {
      email: said.email,
      by_bearer: await statusOf(oidc.fetchUserInfo(this.config, token, sub)),
      by_another_key: await statusOf(oidc.fetchUserInfo(this.config, token, sub, { DPoP: other })),
    };
  },

  async introspection() {
    const said = await oidc.tokenIntrospection(this.config, this.tokens.access_token);
    return { active: said.active, bound: said.cnf.jkt === (await thumbprint(this.pair.publicKey)) };
  },

  async refresh() {
    const again = await oidc.refreshTokenGrant(this.config, this.tokens.refresh_token, undefined, {
      DPoP: this.DPoP,
    });
    return {
      token_type: again.token_type,
      new_access_token: again.access_token !== this.tokens.access_token,
      same_refresh_token:
        (again.refresh_token ?? this.tokens.refresh_token) === this.tokens.refresh_token,
      without_proof: await refusal(
        oidc.refreshTokenGrant(this.config, this.tokens.refresh_token),
      ),
    };
  },

  // A client that registers itself, with a key of its own, and asks to be held to all of it.
  async registration() {
    this.own = await newSigningKey();
    const metadata = {
      client_name: "Signed",
      redirect_uris: [callback],
      post_logout_redirect_uris: [signedOut],
      grant_types: ["authorization_code", "refresh_token"],
      scope: "openid email",
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      jwks: { keys: [this.own.jwk] },
      id_token_signed_response_alg: "ES256",
      authorization_signed_response_alg: "ES256",
      request_object_signing_alg: "ES256",
      userinfo_signed_response_alg: "ES256",
      require_signed_request_object: true,
      require_pushed_authorization_requests: true,
      dpop_bound_access_tokens: true,
    };
    const config = await oidc.dynamicClientRegistration(
      server,
      metadata,
      oidc.PrivateKeyJwt(this.own),
      { ...options, initialAccessToken: scene.initial_access_token },
    );
    oidc.useJwtResponseMode(config);
    this.signed = config;
    const kept = config.clientMetadata();
    return {
      kept: Object.entries(metadata)
        .filter(([name, value]) => JSON.stringify(kept[name]) !== JSON.stringify(value))
        .map(([name]) => `${name} differs`),
      has_secret: kept.client_secret !== undefined,
    };
  },

  // JAR (RFC 9101) inside PAR, JARM as the answer, userinfo as a JWT.
  async signed() {
    const DPoP = oidc.getDPoPHandle(this.signed, await oidc.randomDPoPKeyPair("ES256"));
    const { answer, tokens } = await signIn({
      config: this.signed,
      DPoP,
      scope: "openid email",
      address: async (parameters) => {
        const { searchParams } = await oidc.buildAuthorizationUrlWithJAR(
          this.signed,
          parameters,
          this.own,
        );
        return oidc.buildAuthorizationUrlWithPAR(this.signed, searchParams, { DPoP });
      },
    });
    const { sub } = tokens.claims();
    const said = await oidc.fetchUserInfo(this.signed, tokens.access_token, sub, { DPoP });
    const unsigned = oidc.buildAuthorizationUrlWithPAR(
      this.signed,
      { redirect_uri: callback, scope: "openid" },
      { DPoP },
    );
    this.signedTokens = tokens;
    return {
      answer: [...answer.searchParams.keys()],
      token_type: tokens.token_type,
      email: said.email,
      unsigned: await refusal(unsigned),
    };
  },

  async device() {
    const config = await oidc.dynamicClientRegistration(
      server,
      {
        client_name: "Television",
        redirect_uris: [],
        response_types: [],
        grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        token_endpoint_auth_method: "none",
        id_token_signed_response_alg: "ES256",
        scope: "openid profile",
      },
      oidc.None(),
      { ...options, initialAccessToken: scene.initial_access_token },
    );
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair("ES256"));
    const started = await oidc.initiateDeviceAuthorization(config, { scope: "openid profile" });
    await browser.visit(new URL(started.verification_uri_complete));
    const tokens = await oidc.pollDeviceAuthorizationGrant(
      config,
      { ...started, interval: 1 }, // It is the first poll: nobody was in a hurry before.
      undefined,
      { DPoP },
    );
    const again = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    return {
      token_type: tokens.token_type,
      same_person: tokens.claims().sub === this.tokens.claims().sub,
      refreshed: again.access_token !== tokens.access_token,
    };
  },

  async logout() {
    const state = oidc.randomState();
    const end = await browser.visit(
      oidc.buildEndSessionUrl(this.config, {
        id_token_hint: this.tokens.id_token,
        post_logout_redirect_uri: signedOut,
        state,
      }),
    );
    const refreshed = (config, { refresh_token: token }) =>
      refusal(oidc.refreshTokenGrant(config, token, undefined, { DPoP: this.DPoP }));
    return {
      back_at: end.origin + end.pathname,
      same_state: end.searchParams.get("state") === state,
      refresh: await refreshed(this.config, this.tokens),
      refresh_of_the_other: await refreshed(this.signed, this.signedTokens),
    };
  },
};

// FAPI 2.0 §5.3.3.4: the assertion is for the issuer alone. It is what the library sends by itself.
const audienceIsIssuer = {
  [oidc.modifyAssertion](_, payload) {
    if (payload.aud !== scene.base_url) throw new Error(`aud is ${payload.aud}`);
  },
};

// Code flow; `address(parameters)` says where the browser begins.
async function signIn({ config, DPoP, address, scope = "openid profile email" }) {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const url = await address({
    redirect_uri: callback,
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  });
  const answer = await browser.visit(url);
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  };
  const tokens = await oidc.authorizationCodeGrant(config, answer, checks, undefined, { DPoP });
  return { url, answer, tokens };
}

// The status of a request to userinfo that was refused; 200 if it was not.
async function statusOf(request) {
  try {
    await request;
  } catch (error) {
    return error.status ?? error.cause?.status ?? String(error);
  }
  return 200;
}

await play(STEPS);
