// An OpenID Connect provider: node provider.mjs PORT. Whoever types a name is that user; the claims depend on it.
import Provider from "oidc-provider";

const port = process.argv[2];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "ci",
      client_secret: "not-a-secret-of-anybody",
      redirect_uris: ["http://127.0.0.1:9/done"],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  claims: { openid: ["sub", "repository", "teams"] },
  conformIdTokenClaims: false,
  features: { devInteractions: { enabled: true } },
  pkce: { required: () => false },
  findAccount: (_, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, repository: `acme/${id}`, teams: ["devs"] }),
  }),
});
provider.listen(port, "127.0.0.1");
