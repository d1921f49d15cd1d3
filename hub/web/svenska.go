package web

import "github.com/knutpunkt/knutpunkt/hub"

// What the console calls things, for people who have never seen the code.

var stateWords = map[hub.State]string{
	hub.Accepted: "Mottaget", hub.Enriching: "Uppgifter hämtas", hub.EnrichWait: "Väntar på ett register eller en fil",
	hub.Routed: "På väg", hub.Attention: "En leverans vilar hos en människa", hub.Completed: "Levererat överallt",
	hub.Rejected: "Avvisat", hub.Withdrawn: "Återtaget", hub.Purged: "Gallrat",

	hub.Blocked: "Väntar på att en tidigare leverans blir klar", hub.Ready: "Står i tur att skickas",
	hub.Sending: "Skickas", hub.RetryWait: "Togs inte emot än. Nytt försök",
	hub.Unknown: "Oklart om det kom fram. Systemet tillfrågas", hub.Reconciling: "Systemet tillfrågas om det kom fram",
	hub.Delivered: "Levererat", hub.Confirmed: "Levererat och bekräftat", hub.Waived: "Ordnat för hand",
	hub.Cancelled: "Avbrutet", hub.Held: "Vilar hos en människa",
}

var answerWords = map[hub.Answer]string{
	hub.Yes: "ja, med kvittens", hub.No: "nej", hub.NotNow: "inte nu",
	hub.DontKnow: "vet inte, det kan ha kommit fram", "": "inget svar än, eller avbrutet",
}

// A reason is why something rests with a person, told to one who is to do something.
type reason struct{ what, citizen, do string }

const (
	isWaiting  = "Den sökande ser att ärendet är inkommet och vet inte om felet. Inkommen-datum påverkas inte."
	isPartDone = "Den sökandes ärende kan redan finnas i systemet. Skicka inget igen innan det är undersökt."
)

var reasons = map[hub.Reason]reason{
	hub.ReasonRefused: {
		"Systemet tog emot handlingen och svarade nej.", isWaiting,
		"Läs systemets svar. Rätta mappningen eller uppgifterna i systemet och skicka igen."},
	hub.ReasonUnclear: {
		"Det är oklart om handlingen kom fram, och systemet kan inte svara på det.", isPartDone,
		"Leta i systemet efter ärendet. Finns det: anteckna dess nummer. Finns det inte: skicka igen."},
	hub.ReasonGaveUp: {
		"Alla försök är gjorda, under ungefär en vecka, utan att systemet tog emot.", isWaiting,
		"Ta reda på vad som är fel hos systemet. Skicka igen när det svarar."},
	hub.ReasonNoRoute: {
		"Ingen väg är beskriven för den här e-tjänsten.", isWaiting,
		"Lägg till en väg för e-tjänsten under routes/, eller rätta dess nummer hos plattformen. Försök sedan igen."},
	hub.ReasonUnreadable: {
		"Formulärets svar stämmer inte med schemat som vägen anger.", isWaiting,
		"Jämför formulärets version med schemat, rätta schemat och försök igen."},
	hub.ReasonAttachment: {
		"En fil som hör till formuläret går inte att hämta hos plattformen.", isWaiting,
		"Fråga plattformens förvaltare efter filen, eller be den sökande komplettera."},
	hub.ReasonMapping: {
		"Handlingen kunde inte skrivas: mappningen saknar ett värde eller har ett fel.", isWaiting,
		"Rätta mappningen, kontrollera med knutpunkt check och försök igen."},
	hub.ReasonRule: {
		"En av vägens regler säger att ärendet inte får gå vidare av sig självt.", isWaiting,
		"Läs vilken regel det är och låt en handläggare avgöra."},
	hub.ReasonNoPerson: {
		"Registret känner inte personen, eller formuläret nämner ingen.", isWaiting,
		"Kontrollera uppgifterna med den sökande."},
	hub.ReasonMismatch: {
		"Registret svarade om någon annan än den som det frågades om.", isWaiting,
		"Anmäl det till den som ansvarar för registret. Skicka inget vidare."},
	hub.ReasonProtected: {
		"Någon i ärendet har skyddade personuppgifter, eller så går det inte att veta.", isWaiting,
		"Bara den grupp som får hantera skyddade uppgifter tar ärendet vidare."},
	hub.ReasonUnmappable: {
		"Formuläret har ett tecken som systemet inte kan ta emot.", isWaiting,
		"Ange i mappningen vad tecknet ska ersättas med och försök igen."},
	hub.ReasonCrashLoop: {
		"Innehållet har fått programmet att avbrytas, flera gånger.", isWaiting,
		"Lämna ärendets nummer till den som förvaltar Knutpunkt."},
	hub.ReasonCorrupt: {
		"Det som är sparat går inte att läsa.", isWaiting,
		"Larma driften: lagringen är skadad. Återställ från säkerhetskopia."},
	hub.ReasonInfected: {
		"En fil innehåller skadlig kod.", isWaiting,
		"Öppna inte filen. Be den sökande om en ny."},
	hub.ReasonScanLimit: {
		"En fil kunde inte undersökas för skadlig kod.", isWaiting,
		"Låt driften undersöka filen innan ärendet går vidare."},
	hub.ReasonNoConnector: {
		"Det system som vägen nämner är inte anslutet.", isWaiting,
		"Rätta systems.yaml eller vägen och försök igen."},
	hub.ReasonHashMismatch: {
		"Handlingen blev inte densamma som den som redan har skickats.", isPartDone,
		"Lämna ärendets nummer till den som förvaltar Knutpunkt."},
}
