package mail

// IsAddress is what decides whom a mail is sent to.
var IsAddress = isAddress
