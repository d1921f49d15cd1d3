package restsim

import "github.com/knutpunkt/knutpunkt/hub"

// Config is what systems.yaml says about such a system of a level, but for its address and the way in.
func Config(level hub.Level) string {
	switch level {
	case hub.Idempotent:
		return register + "    level: idempotent\n    key: { header: Idempotency-Key }\n" + receipt + find +
			files + "      sha256: X-SHA256\n" + findFiles + changes
	case hub.Lookup:
		return referred + "    level: lookup\n    lag: 3s\n" + receipt + find + filesInForms + findFiles + changes
	}
	return referred + receipt + files + changes
}

// ConfigAsked is the same for a blind system that is asked how each case is getting on.
func ConfigAsked() string { return referred + receipt + files + status }

const register = `
operations:
  case:
    path: /cases
`

const referred = `
operations:
  case:
    path: /cases?reference={key}
`

const receipt = `
    receipt: { number: /number, ref: /id, echo: /reference }
`

const find = `
    find: { path: "/cases?reference={key}", list: /cases, number: /number, ref: /id, echo: /reference }
`

const files = `
    files:
      path: /cases/{ref}/files/{n}
      ref: /id
`

const filesInForms = `
    files:
      method: POST
      path: /cases/{ref}/files
      as: multipart
      fields: { n: "{n}", sha256: "{sha256}" }
      ref: /id
`

const findFiles = `
      find: { path: "/cases/{ref}/files", list: /files, n: /n, sha256: /sha256, ref: /id }
`

const changes = `
changes:
  path: /changes?since={cursor}
  list: /changes
  next: /next
  id: /id
  ref: /caseId
  key: /reference
  word: /word
  at: /at
`

const status = `
status:
  path: /cases/{ref}/status
  list: /history
  word: /word
  at: /at
`
