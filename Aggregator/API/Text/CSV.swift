/// RFC 4180 fields. Texts that a spreadsheet would take for a formula get a leading apostrophe.
enum CSV {
    static func append(_ text: String, to bytes: inout [UInt8]) {
        let formulaStarts: [UInt8] = [
            UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"), 9, 13,
        ]
        let isFormula = text.utf8.first.map { formulaStarts.contains($0) } ?? false
        let special: [UInt8] = [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13]
        guard isFormula || text.utf8.contains(where: { special.contains($0) }) else {
            bytes.append(contentsOf: text.utf8)
            return
        }
        bytes.append(UInt8(ascii: "\""))
        if isFormula { bytes.append(UInt8(ascii: "'")) }
        for character in text.utf8 {
            if character == UInt8(ascii: "\"") { bytes.append(character) }
            bytes.append(character)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
