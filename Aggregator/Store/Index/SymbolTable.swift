/// Interned label names and values: each distinct text once. A label is two numbers.
struct SymbolTable: Sendable {
    private(set) var texts: [String] = []
    private var numbers: [String: UInt32] = [:]

    /// - Complexity: O(length), one hash.
    mutating func intern(_ text: String) -> UInt32 {
        if let number = numbers[text] { return number }
        let number = UInt32(texts.count)
        texts.append(text)
        numbers[text] = number
        return number
    }
    func number(of text: String) -> UInt32? { numbers[text] }
    subscript(number: UInt32) -> String { texts[Int(number)] }
}
