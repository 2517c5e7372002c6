import Testing

@Suite("reliability rows")
struct ReliabilityRows {
    /// The failures that users of comparable systems had and that this release answers; fleet control and alerting
    /// have the others.
    private static let rows = Array(1...18) + [20, 21, 26, 27, 28, 30, 31, 32]

    /// Numbers at the beginning of a test's name: "R2, R9: ..." gives 2 and 9.
    private static func numbers(_ name: Substring) -> [Int] {
        var found: [Int] = []
        for word in name.split(separator: " ") {
            guard word.first == "R", let number = Int(word.dropFirst().filter { $0 != ":" && $0 != "," }) else { break }
            found.append(number)
            guard word.last == "," else { break }
        }
        return found
    }

    @Test("each has a test that says so in its name")
    func named() {
        var tested = Set<Int>()
        for file in SourceTree.files("Tests") where !file.path.hasPrefix("Tests/HouseTests/") {
            var isNext = false
            for line in file.lines {
                let text = line.drop { $0 == " " }
                if text.hasPrefix("@Test(\"") {
                    tested.formUnion(Self.numbers(text.dropFirst(7)))
                } else if isNext, text.hasPrefix("\"") {
                    tested.formUnion(Self.numbers(text.dropFirst()))
                }
                isNext = text == "@Test("
            }
        }
        #expect(Self.rows.filter { !tested.contains($0) } == [])
        #expect(Self.numbers("R2, R9: an outage") == [2, 9])
        #expect(Self.numbers("Rows of 5") == [])
    }
}
