-- One row for each admitted call: the intent when it is opened, the receipt when it is settled. That a call has one
-- receipt at most is the shape of the row; that it is a whole one is the last CHECK. `call` counts from 1 without gaps.
CREATE TABLE calls (
  call            INTEGER PRIMARY KEY,
  id              BLOB    NOT NULL CHECK (length(id) = 16),
  arrived_ms      INTEGER NOT NULL,
  key_id          TEXT    NOT NULL,
  model           TEXT    NOT NULL,
  format          TEXT    NOT NULL,
  reserved_tokens INTEGER NOT NULL,
  -- The intent's seal, until the audit line of the receipt seals the whole row.
  seal            BLOB,
  settled_ms      INTEGER,
  deployment      TEXT,
  outcome         TEXT CHECK (outcome IN ('completed', 'failed', 'cancelled', 'interrupted')),
  fault           TEXT,
  input           INTEGER,
  cache_read      INTEGER,
  cache_write_5m  INTEGER,
  cache_write_1h  INTEGER,
  output          INTEGER,
  reasoning       INTEGER,
  line            INTEGER,
  CHECK ((outcome IS 'failed') = (fault IS NOT NULL)),
  CHECK (
    CASE WHEN outcome IS NULL
    THEN seal IS NOT NULL AND coalesce(settled_ms, deployment, input, cache_read, cache_write_5m, cache_write_1h,
                                       output, reasoning, line) IS NULL
    ELSE seal IS NULL AND settled_ms + input + cache_read + cache_write_5m + cache_write_1h + output + reasoning
                          + line IS NOT NULL
    END
  )
) STRICT;

-- What recovery reads: it holds no more rows than there are calls under way.
CREATE INDEX calls_open ON calls (call) WHERE outcome IS NULL;

-- The hash chain. A line is either a receipt, whose text is the row in `calls`, or an event of the operator's.
CREATE TABLE audit (
  line    INTEGER PRIMARY KEY,
  call    INTEGER,
  at_ms   INTEGER,
  event   TEXT,
  subject TEXT,
  hash    BLOB NOT NULL CHECK (length(hash) = 32),
  CHECK (CASE WHEN call IS NULL THEN at_ms IS NOT NULL AND event IS NOT NULL AND subject IS NOT NULL
         ELSE coalesce(at_ms, event, subject) IS NULL END)
) STRICT;

-- Where the chain ends and how many calls there are, sealed.
CREATE TABLE head (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  line  INTEGER NOT NULL,
  hash  BLOB    NOT NULL CHECK (length(hash) = 32),
  calls INTEGER NOT NULL,
  seal  BLOB    NOT NULL CHECK (length(seal) = 32)
) STRICT;

-- Rows are never deleted: a key is revoked. `models` holds one pattern on each line.
CREATE TABLE keys (
  id            TEXT    PRIMARY KEY,
  name          TEXT    NOT NULL,
  secret        BLOB    NOT NULL,
  bearer_sha256 BLOB    NOT NULL CHECK (length(bearer_sha256) = 32),
  models        TEXT    NOT NULL,
  created_ms    INTEGER NOT NULL,
  expires_ms    INTEGER,
  revoked_ms    INTEGER
) STRICT, WITHOUT ROWID;

-- Rises with every change of `keys`, so that a running server notices.
CREATE TABLE generation (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  keys INTEGER NOT NULL
) STRICT;

INSERT INTO generation VALUES (1, 0);
