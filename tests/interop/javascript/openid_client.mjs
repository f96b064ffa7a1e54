// Everyday use of openid-client, a certified relying-party library: a confidential client with a
// secret, the code flow, refresh, introspection, revocation, sign-out.
import * as oidc from "openid-client";
import { Browser } from "./browser.mjs";
import { play, refusal, scene } from "./steps.mjs";

const client = scene.clients.find(({ name }) => name === "demo");
const person = scene.users.find(({ email }) => email === "alice@acme.example");
const redirectUri = client.redirect_uris[0];
const signedOutUri = client.post_logout_redirect_uris[0];
const browser = new Browser({ person, homes: [redirectUri, `${signedOutUri}?`] });
let config;

const STEPS = {
  async discovery() {
    config = await oidc.discovery(
      new URL(scene.base_url),
      client.client_id,
      client.client_secret,
      oidc.ClientSecretBasic(client.client_secret),
      { execute: [oidc.allowInsecureRequests] },
    );
    const server = config.serverMetadata();
    return {
      issuer: server.issuer,
      pkce: server.code_challenge_methods_supported,
      iss_parameter: server.authorization_response_iss_parameter_supported ?? false,
      signing: server.id_token_signing_alg_values_supported,
    };
  },

  async login() {
    const { tokens, claims } = await signIn();
    this.first = { tokens, claims };
    return {
      pages: browser.visited,
      token_type: tokens.token_type,
      expires_in: tokens.expires_in,
      has_refresh_token: tokens.refresh_token !== undefined,
      acr: claims.acr,
      amr: claims.amr,
    };
  },

  async userinfo() {
    const { tokens, claims } = this.first;
    const said = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
    return { same_subject: said.sub === claims.sub, email: said.email };
  },

  async introspection() {
    const said = await oidc.tokenIntrospection(config, this.first.tokens.access_token);
    const nonsense = await oidc.tokenIntrospection(config, "no-such-token");
    return { active: said.active, nonsense_active: nonsense.active, client: said.client_id };
  },

  async refresh() {
    const before = this.first.tokens;
    this.second = await oidc.refreshTokenGrant(config, before.refresh_token);
    this.third = await oidc.refreshTokenGrant(config, this.second.refresh_token);
    const kept = [before, this.second, this.third].map(({ refresh_token }) => refresh_token);
    const access = [before, this.second, this.third].map(({ access_token }) => access_token);
    return {
      different_refresh_tokens: new Set(kept).size,
      different_access_tokens: new Set(access).size,
      same_subject: (this.third.claims() ?? this.first.claims).sub === this.first.claims.sub,
    };
  },

  // A token two generations old can only be a copy: the whole family ends.
  async reuse() {
    return {
      replayed: await refusal(oidc.refreshTokenGrant(config, this.first.tokens.refresh_token)),
      newest: await refusal(oidc.refreshTokenGrant(config, this.third.refresh_token)),
      access_active: (await oidc.tokenIntrospection(config, this.third.access_token)).active,
    };
  },

  async revocation() {
    const { tokens } = await signIn(); // The session lives: no password, no consent this time.
    await oidc.tokenRevocation(config, tokens.refresh_token);
    return {
      refresh: await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token)),
      access_active: (await oidc.tokenIntrospection(config, tokens.access_token)).active,
    };
  },

  async logout() {
    const { tokens } = await signIn();
    const state = oidc.randomState();
    const end = await browser.visit(
      oidc.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token,
        post_logout_redirect_uri: signedOutUri,
        state,
      }),
    );
    const silent = await refusal(signIn({ prompt: "none" }));
    return {
      back_at: end.origin + end.pathname,
      same_state: end.searchParams.get("state") === state,
      silent_sign_in: silent,
      refresh: await refusal(oidc.refreshTokenGrant(config, tokens.refresh_token)),
      access_active: (await oidc.tokenIntrospection(config, tokens.access_token)).active,
    };
  },
};

// Code flow with PKCE, state and nonce; the library checks iss, signature and claims.
async function signIn(extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  browser.visited = [];
  const callback = await browser.visit(
    oidc.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: "openid profile email",
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
      ...extra,
    }),
  );
  const tokens = await oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  return { tokens, claims: tokens.claims() };
}

await play(STEPS);
