extension String {
    /// Whether `text` occurs, byte for byte. The standard library's `contains` of a text is part of its regular
    /// expressions, and calling it links all of them: a megabyte of the agent.
    /// - Complexity: O(bytes × bytes of `text`); for short texts.
    public func holds(_ text: String) -> Bool {
        guard let first = text.utf8.first else { return true }
        var rest = utf8[...]
        while let place = rest.firstIndex(of: first) {
            rest = rest[place...]
            if rest.starts(with: text.utf8) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
