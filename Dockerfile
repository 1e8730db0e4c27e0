# One image: worker, API and every command. Python packages by the lock, with their hashes.
FROM python:3.13-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir uv==0.13.9 && uv pip sync --system --no-cache --require-hashes requirements.lock
COPY pyproject.toml README.md ./
COPY events events
COPY projections projections
COPY streams streams
COPY api api
COPY cakupan cakupan
RUN uv pip install --system --no-cache --no-deps --no-build-isolation . && useradd --create-home cakupan
USER cakupan
RUN mkdir /home/cakupan/data
CMD ["cakupan", "--help"]
