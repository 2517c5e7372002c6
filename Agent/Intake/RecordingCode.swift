/// The International Standard Recording Code (ISO 3901): two letters, three letters or digits, seven digits.
/// There is no check digit.
public enum RecordingCode {
    /// Twelve characters, upper case. Spaces, hyphens and a leading `ISRC` (with or without colon) are taken off.
    /// - Returns: nil when what remains is no ISRC.
    public static func normalise(_ text: String) -> String? {
        var characters: [UInt8] = []
        characters.reserveCapacity(12)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: ":"): continue
            case UInt8(ascii: "a")...UInt8(ascii: "z"): characters.append(byte - 32)
            default: characters.append(byte)
            }
            guard characters.count <= 16 else { return nil }
        }
        if characters.count == 16, characters.starts(with: "ISRC".utf8) { characters.removeFirst(4) }
        guard isValid(characters) else { return nil }
        return String(decoding: characters, as: UTF8.self)
    }

    private static func isValid(_ characters: [UInt8]) -> Bool {
        guard characters.count == 12 else { return false }
        for (index, byte) in characters.enumerated() {
            let isLetter = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            guard index < 2 ? isLetter : index < 5 ? isLetter || isDigit : isDigit else { return false }
        }
        return true
    }
}
