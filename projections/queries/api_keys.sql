-- Every key as it is now, the removed ones too. Its secret is a SHA-256 in hexadecimal.
SELECT
    name,
    secret_sha256,
    region,
    connections,
    created_at,
    expires_at,
    removed,
    change
FROM api_key FINAL
ORDER BY name
