"""Words that tell a secret from what only looks like one: what labels say, what placeholders are made of, what documentation published."""

from __future__ import annotations

from typing import Final

__all__ = ["COMMON_WORDS", "FOREIGN_LABELS", "NOT_A_SECRET", "PLACEHOLDERS", "PUBLISHED", "STRONG", "VENDORS"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRONG: Final = _words(
    "access account admin api app application auth authentication authorization bearer bot client consumer credential credentials "
    "deploy encryption hmac integration jwt license master oauth personal private refresh secret service session shared signing sdk "
    "storage subscription user vault webhook"
)
"""Words before `key` and `token` after which any value without meaning is one, a UUID too."""

VENDORS: Final = _words(
    "adafruit adobe airtable algolia alibaba alchemy anthropic artifactory asana assembly assemblyai atlassian aws azure beamer bitbucket "
    "bittrex bugsnag buildkite cerebras circleci clickhouse clojars cloudflare cloudinary codecov cohere coinbase confluence confluent "
    "contentful databricks datadog deepgram deepl deepseek digitalocean discord docker dropbox droneci dynatrace elastic elevenlabs "
    "etherscan etsy facebook fastly figma finnhub fireworks flickr flutterwave flyio freshbooks freshdesk gcp gemini geocodio giphy github "
    "gitlab gitter google grafana groq heroku honeycomb hubspot huggingface hf infracost infura intercom jenkins jfrog jina jira kraken "
    "kucoin langfuse langsmith launchdarkly lightstep line linear linkedin lob mailchimp mailgun mapbox mattermost meraki messagebird "
    "mistral mixpanel mongodb moralis netlify newrelic nexus notion npm nvidia nytimes octopus okta onelogin openai opencage openrouter "
    "openweather openweathermap pagerduty paypal perplexity pinecone plaid planetscale postman posthog privateai pypi quay rapidapi "
    "rapid readme redis replicate rollbar sauce sendbird sendgrid sentry serpapi shopify shodan slack snyk sonar sonarqube spotify square "
    "squarespace stability stripe sumo sumologic supabase tavily telegram tmdb together travis travisci trello twilio twitch twitter "
    "typeform upstash vercel virustotal voyage weatherapi xai yandex zendesk zillow zoom zuora"
)
"""Services whose keys have no form of their own, or more than one: `SNYK_KEY`, `hubspotKey`."""

NOT_A_SECRET: Final = _words(
    "arrow bos cache cls column composite compound continuation count cursor dedup dedupe dict dictionary end eos example first foreign "
    "function group hash host hot id idempotency index language last length limit locale lookup map mask max measurement min "
    "name next num object pad page pagination partition path primary prev previous public publishable recaptcha registry request route "
    "routing row sep shard short site sort special start stop sync template total tracking translation type unk unique url vocab "
    "key keys press pressed event config"
)
"""Words before `key` and `token` that make it the name of something else."""

PLACEHOLDERS: Final = (
    "example", "placeholder", "changeme", "change-me", "change_me", "change this", "your", "dummy", "redacted", "xxxx", "****", "....",
    "replace", "insert", "sample", "notreal", "not-real", "not_real", "foobar", "secretsecret", "mysecret", "my-secret", "my_secret",
    "hidden", "masked", "removed", "undefined", "put_", "goeshere", "-here", "_here", "deadbeefdeadbeef", "abcdefghijklmnop", "\u2026",
    "getenv", "environ", "process.env", "todo", "fixme", "qwerty", "lorem", "supersecret", "super-secret", "super_secret", "password",
    "passwd", "testtest", "testkey", "test-key", "test_key", "fake", "encrypted", "sanitized", "username", "apikey", "api_key", "api-key",
    "access_token", "accesstoken", "variable", "secrets.", "vault:", "secretref", "configmap", "keyring", "param_", "string", "required",
)  # fmt: skip
"""What no value made by chance holds (in lower case; each has four characters or more)."""

COMMON_WORDS: Final = _words(
    "admin administrator default demo empty false foo guest hello login me nil none null pass password passwd postgres postgresql mysql "
    "pwd private public pw redis root secret string test tester testing token true user username welcome word x xx xxx yes no base64 "
    "sha1 sha256 sha512 md5 utf8 utf-8 pass1 pass123 password1 password123 test1 test12 test123 test1234 user1 user123 admin1 admin123 "
    "123456 1234567 12345678 123456789 1234567890 guest1 token1 secret1 secret123 rabbitmq mongo minio minioadmin elastic"
)
"""Whole values that are no secret worth the name: words, and the passwords of tutorials."""

FOREIGN_LABELS: Final = (
    "contraseña", "contrasena", "clave", "senha", "kennwort", "mot de passe", "wachtwoord", "parola", "hasło", "heslo", "lösenord",
    "şifre", "mật khẩu", "пароль", "ключ", "токен",
    "密码", "密碼", "口令", "密钥", "密鑰", "令牌", "パスワード", "暗証番号", "비밀번호", "암호", "كلمة المرور", "סיסמה", "पासवर्ड",
    "κωδικός",
)  # fmt: skip
"""Password and key in other languages, in lower case."""

PUBLISHED: Final = frozenset(
    (
        "051d093c4bdedbf2",
        "eaa5581c2e8d2f44",
        "08831f80b56414a9",
        "0998bb2db31482a8",
        "2037abcaffb2b777",
        "3f370c9dd8225c63",
        "e4a5542bb7fd7b67",
        "a19f89ab3555eac1",
        "0b476bdf9acf2123",
        "eb540d2b6ee2a0a4",
        "37f8f09bdf12c2f2",
        "8731261cb72d8626",
        "49f777db995e8260",
        "27a9a42931dff7eb",
        "dc0fcf046c61640c",
        "4c98242dcadc8b29",
        "ea9bb1082cf95663",
        "3a8b61d0f636b007",
        "a6c814bc555ae62c",
        "2cafc0970149a84f",
        "f2d6ca16515033e5",
        "0011cc25eb432071",
        "aa6547439583c3a2",
        "7f75367e78812551",
        "c794fa6d20c64efb",
        "da816f9f2c16e6c5",
        "cf4d418ed3de92d7",
        "e4da07ad200089ce",
        "bdfeaef44475711c",
        "0e9d220616f08345",
        "8be5d113c0871ce1",
        "005725b48609c45e",
        "b8e148545b13c78b",
        "ad71fb4165536675",
        "e21b597ba6b9cafa",
        "15cef4b629cc2d07",
    )
)
"""First 16 hexadecimal digits of the SHA-256 of keys that documentation published: SDKs, jwt.io, local emulators, RFCs."""
