package soapsim

import (
	"strings"

	"github.com/knutpunkt/knutpunkt/hub"
)

// Config is what systems.yaml says about such a system of a level, but for its address and the way in.
func Config(level hub.Level) string {
	switch level {
	case hub.Idempotent:
		return operation("idempotent", find, files, findFiles) + changes
	case hub.Lookup:
		return operation("lookup\n    lag: 3s", find, files, findFiles) + status
	}
	return operation("blind", "", files, "") + changes
}

func operation(level string, parts ...string) string {
	return strings.Replace(register, "LEVEL", level, 1) + strings.Join(parts, "")
}

const register = `
namespaces: { a: "urn:exempel:arende" }
faults: { ArendetLast: later }
operations:
  case:
    action: urn:exempel:arende/RegistreraArende
    level: LEVEL
    key: { document: /RegistreraArende/Referens }
    receipt:
      number: /RegistreraArendeResponse/RegistreraArendeResult/Arende/Arendenummer
      ref: /RegistreraArendeResponse/RegistreraArendeResult/Arende/ArendeId
      echo: /RegistreraArendeResponse/RegistreraArendeResult/Arende/Referens
    result: { path: /RegistreraArendeResponse/RegistreraArendeResult/Kod, values: { "0": accepted, "17": refused, "90": later } }
`

const find = `
    find:
      action: urn:exempel:arende/HittaArenden
      request: <a:HittaArenden><a:Referens>{key}</a:Referens></a:HittaArenden>
      list: /HittaArendenResponse/HittaArendenResult/Arenden/Arende
      number: /Arendenummer
      ref: /ArendeId
      echo: /Referens
      result: { path: /HittaArendenResponse/HittaArendenResult/Kod, values: { "0": accepted } }
`

const files = `
    files:
      action: urn:exempel:arende/LaggTillFil
      request: |
        <a:LaggTillFil>
          <a:ArendeId>{ref}</a:ArendeId>
          <a:Nummer>{n}</a:Nummer>
          <a:Namn>{name}</a:Namn>
          <a:Typ>{type}</a:Typ>
          <a:Sha256>{sha256}</a:Sha256>
          <a:Innehall>{content}</a:Innehall>
        </a:LaggTillFil>
      ref: /LaggTillFilResponse/LaggTillFilResult/FilId
      result: { path: /LaggTillFilResponse/LaggTillFilResult/Kod, values: { "0": accepted, "17": refused, "90": later } }
`

const findFiles = `
      find:
        action: urn:exempel:arende/ListaFiler
        request: <a:ListaFiler><a:ArendeId>{ref}</a:ArendeId></a:ListaFiler>
        list: /ListaFilerResponse/ListaFilerResult/Filer/Fil
        n: /Nummer
        sha256: /Sha256
        ref: /FilId
        result: { path: /ListaFilerResponse/ListaFilerResult/Kod, values: { "0": accepted } }
`

const changes = `
changes:
  action: urn:exempel:arende/HamtaHandelser
  request: <a:HamtaHandelser><a:Sedan>{cursor}</a:Sedan></a:HamtaHandelser>
  first: "0"
  list: /HamtaHandelserResponse/HamtaHandelserResult/Handelser/Handelse
  next: /HamtaHandelserResponse/HamtaHandelserResult/Nasta
  id: /HandelseId
  ref: /ArendeId
  key: /Referens
  word: /Lage
  at: /Tid
  result: { path: /HamtaHandelserResponse/HamtaHandelserResult/Kod, values: { "0": accepted } }
`

const status = `
status:
  action: urn:exempel:arende/HamtaArende
  request: <a:HamtaArende><a:ArendeId>{ref}</a:ArendeId></a:HamtaArende>
  list: /HamtaArendeResponse/HamtaArendeResult/Handelser/Handelse
  word: /Lage
  at: /Tid
  result: { path: /HamtaArendeResponse/HamtaArendeResult/Kod, values: { "0": accepted, "44": not-found } }
`
