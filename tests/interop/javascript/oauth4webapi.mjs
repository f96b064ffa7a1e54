// oauth4webapi, the certified library below openid-client: every request made and every answer
// judged by hand, as an application does that wants to see it all.
import * as oauth from "oauth4webapi";
import { Browser } from "./browser.mjs";
import { importSigningKey, newSigningKey, play, refusal, scene } from "./steps.mjs";

const plain = { [oauth.allowInsecureRequests]: true };
const { callback, signed_out: signedOut } = scene;
const demo = scene.clients.find(({ name }) => name === "demo");
const browser = new Browser({
  person: scene.users.find(({ email }) => email === "alice@acme.example"),
  homes: [demo.redirect_uris[0], callback, `${signedOut}?`],
  end: /You are connected/,
});
let server;

const STEPS = {
  async discovery() {
    const issuer = new URL(scene.base_url);
    server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, plain));
    return { issuer: server.issuer, par: server.pushed_authorization_request_endpoint !== undefined };
  },

  // A secret, and the parameters in the address.
  async code() {
    this.secret = {
      client: { client_id: demo.client_id, id_token_signed_response_alg: "ES256" },
      authentication: oauth.ClientSecretBasic(demo.client_secret),
      redirectUri: demo.redirect_uris[0],
    };
    this.first = await signIn(this.secret, inTheAddress);
    return { token_type: this.first.tokens.token_type, acr: this.first.claims.acr };
  },

  async userinfo() {
    return { email: (await userinfo(this.secret, this.first)).email };
  },

  async refresh() {
    const before = this.first.tokens;
    this.second = await refresh(this.secret, before.refresh_token);
    return {
      rotated: this.second.refresh_token !== before.refresh_token,
      new_access_token: this.second.access_token !== before.access_token,
    };
  },

  async revocation() {
    const { client, authentication } = this.secret;
    const token = this.second.refresh_token;
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, authentication, token, plain),
    );
    const said = await oauth.processIntrospectionResponse(
      server,
      client,
      await oauth.introspectionRequest(server, client, authentication, this.second.access_token, plain),
    );
    return { refresh: await refusal(refresh(this.secret, token)), active: said.active };
  },

  // FAPI 2: private_key_jwt, pushed, DPoP with the server's nonces.
  async pushed() {
    const { client_id: clientId, jwk } = scene.fapi2;
    const client = { client_id: clientId, id_token_signed_response_alg: "ES256" };
    this.bound = {
      client,
      authentication: oauth.PrivateKeyJwt(await importSigningKey(jwk)),
      redirectUri: callback,
      DPoP: oauth.DPoP(client, await oauth.generateKeyPair("ES256")),
    };
    nonces = 0;
    this.pushed = await signIn(this.bound, pushed);
    return {
      asked_for_nonces: nonces,
      token_type: this.pushed.tokens.token_type,
      email: (await userinfo(this.bound, this.pushed)).email,
    };
  },

  // What an API does with such a token: RFC 9068 and RFC 9449 by the library's own rules.
  async resource() {
    const url = new URL("https://api.acme.example/ledger");
    let request;
    const caught = { [oauth.customFetch]: async (address, init) => {
      request = new Request(address, { method: init.method, headers: init.headers });
      return new Response();
    } };
    const token = this.pushed.tokens.access_token;
    const options = { ...caught, DPoP: this.bound.DPoP };
    await oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, options);
    const rules = { ...plain, requireDPoP: true, signingAlgorithms: ["ES256"] };
    const claims = await oauth.validateJwtAccessToken(server, request, scene.base_url, rules);
    return { same_person: claims.sub === this.pushed.claims.sub, scope: claims.scope };
  },

  async bound_refresh() {
    const { refresh_token: token } = this.pushed.tokens;
    const again = await refresh(this.bound, token);
    return {
      token_type: again.token_type,
      same_refresh_token: (again.refresh_token ?? token) === token,
      without_proof: await refusal(refresh({ ...this.bound, DPoP: undefined }, token)),
    };
  },

  // A client that registers itself; a signed request, by value this time, and a signed answer.
  async signed() {
    const own = await newSigningKey();
    const client = await register({
      client_name: "Signed",
      redirect_uris: [callback],
      scope: "openid email",
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [own.jwk] },
      id_token_signed_response_alg: "ES256",
      authorization_signed_response_alg: "ES256",
      require_signed_request_object: true,
    });
    const party = {
      client,
      authentication: oauth.PrivateKeyJwt(own),
      redirectUri: callback,
      scope: "openid email",
      isJwt: true,
    };
    const { answer, tokens } = await signIn(party, async (parameters) =>
      inTheAddress({
        client_id: client.client_id,
        request: await oauth.issueRequestObject(server, client, parameters, own),
      }),
    );
    return { answer: [...answer.searchParams.keys()], token_type: tokens.token_type };
  },

  async device() {
    const client = await register({
      client_name: "Television",
      redirect_uris: [],
      response_types: [],
      grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
      token_endpoint_auth_method: "none",
      id_token_signed_response_alg: "ES256",
      scope: "openid profile",
    });
    const none = oauth.None();
    const started = await oauth.processDeviceAuthorizationResponse(
      server,
      client,
      await oauth.deviceAuthorizationRequest(server, client, none, { scope: "openid profile" }, plain),
    );
    const redeem = async () =>
      oauth.processDeviceCodeResponse(
        server,
        client,
        await oauth.deviceCodeGrantRequest(server, client, none, started.device_code, plain),
      );
    const before = await refusal(redeem());
    await browser.visit(new URL(started.verification_uri_complete));
    await new Promise((done) => setTimeout(done, started.interval * 1000));
    const tokens = await redeem();
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    return { before, same_person: sub === this.first.claims.sub };
  },

  async logout() {
    const url = new URL(server.end_session_endpoint);
    const state = oauth.generateRandomState();
    url.searchParams.set("id_token_hint", this.pushed.tokens.id_token);
    url.searchParams.set("post_logout_redirect_uri", signedOut);
    url.searchParams.set("state", state);
    const end = await browser.visit(url);
    const silently = (parameters) => inTheAddress({ ...parameters, prompt: "none" });
    return {
      back_at: end.origin + end.pathname,
      same_state: end.searchParams.get("state") === state,
      silent_sign_in: await refusal(signIn(this.secret, silently)),
      refresh: await refusal(refresh(this.bound, this.pushed.tokens.refresh_token)),
    };
  },
};

let nonces = 0;

// Ask again when the server wants a nonce in the proof (RFC 9449 section 8).
async function withNonce(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    nonces += 1;
    return ask();
  }
}

function inTheAddress(parameters) {
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams(parameters);
  return url;
}

async function pushed(parameters, { client, authentication, DPoP }) {
  const { request_uri: reference } = await withNonce(async () =>
    oauth.processPushedAuthorizationResponse(
      server,
      client,
      await oauth.pushedAuthorizationRequest(server, client, authentication, parameters, {
        ...plain,
        DPoP,
      }),
    ),
  );
  return inTheAddress({ client_id: client.client_id, request_uri: reference });
}

// Code flow; `address(parameters, party)` says where the browser begins.
async function signIn(party, address) {
  const { client, authentication, redirectUri, DPoP, scope = "openid profile email" } = party;
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  const parameters = {
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: "code",
    scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
    ...(party.isJwt && { response_mode: "jwt" }),
  };
  const answer = await browser.visit(await address(parameters, party));
  const validate = party.isJwt ? oauth.validateJwtAuthResponse : oauth.validateAuthResponse;
  const accepted = await validate(server, client, answer, state, plain);
  const tokens = await withNonce(async () => {
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      accepted,
      redirectUri,
      verifier,
      { ...plain, DPoP },
    );
    const rules = { expectedNonce: nonce, requireIdToken: true };
    const read = await oauth.processAuthorizationCodeResponse(server, client, response, rules);
    await oauth.validateApplicationLevelSignature(server, response, plain);
    return read;
  });
  return { answer, tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

function refresh({ client, authentication, DPoP }, token) {
  return withNonce(async () =>
    oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, authentication, token, { ...plain, DPoP }),
    ),
  );
}

function userinfo({ client, DPoP }, { tokens, claims }) {
  return withNonce(async () =>
    oauth.processUserInfoResponse(
      server,
      client,
      claims.sub,
      await oauth.userInfoRequest(server, client, tokens.access_token, { ...plain, DPoP }),
    ),
  );
}

async function register(metadata) {
  const options = { ...plain, initialAccessToken: scene.initial_access_token };
  return oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(server, metadata, options),
  );
}

await play(STEPS);
