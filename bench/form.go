package main

import "fmt"

// What both sides are told of each other.
const (
	municipality = "1080"
	token        = "bench-f3b1c8a2d94e6075"
	block        = "Eken 4:" // of which each form's property is one
)

// Persons are numbers that Skatteverket gives out for tests, and nobody has.
var persons = []string{
	"189001019802", "189104019816", "189206309818", "189309299817",
	"189412299811", "189603299810", "189706289817", "189809279814",
}

// form writes the i-th form as a platform posts it: 1.3 KiB.
func form(i int) []byte {
	return fmt.Appendf(nil, `{"municipality":"1080","service":"bygglov","formVersion":"3",
"source":{"system":"hemsidan","id":"F-%[1]d","version":"1"},"submitted":"2026-03-02T10:00:00+01:00",
"answers":{
 "sökande":{"personnummer":"%[2]s","epost":"tolvan.tolvansson@example.com","telefon":"0455-30 30 00"},
 "fastighet":"Eken 4:%[1]d",
 "åtgärder":[{"kod":"NYB","text":"Nybyggnad av altan"},{"kod":"TAK","text":"Tak över altan & uteplats"}],
 "mått":{"längd":6.50,"bredd":3.2,"höjd":1.4},
 "byggtid":{"från":"2026-05-01","till":"2026-08-31"},
 "beskrivning":"Vi vill bygga en altan i vinkel mot söder och väster, med tak över den del som ligger närmast huset. Altanen vilar på plintar, och marken under den lämnas som den är. Räcket blir av trä, 1,1 m högt, i samma kulör som husets knutar. Närmaste granne, på fastigheten öster om vår, har sett ritningarna och har inget att invända. Höjden över marken är som mest 1,4 m, vid det sydvästra hörnet, eftersom tomten sluttar åt det hållet. Trappan läggs på den västra sidan, och den gamla uteplatsen av betong tas bort innan vi börjar."
}}`, i, persons[i%len(persons)])
}
