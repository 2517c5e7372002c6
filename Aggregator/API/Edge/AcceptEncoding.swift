/// Whether a client wants gzip, by its `Accept-Encoding` (RFC 9110, 12.5.3).
enum AcceptEncoding {
    /// gzip's weight is above zero and at least identity's. Parts that are malformed count for nothing.
    static func prefersGzip(_ header: String?) -> Bool {
        guard let header else { return false }
        var weights: [String: Double] = [:]
        for part in header.split(separator: ",") {
            let pieces = part.split(separator: ";", omittingEmptySubsequences: false).map(trimmed)
            guard let name = pieces.first?.lowercased(), !name.isEmpty, let weight = weight(pieces.dropFirst()) else {
                continue
            }
            weights[name == "x-gzip" ? "gzip" : name] = weight
        }
        let gzip = weights["gzip"] ?? weights["*"] ?? 0
        // Identity is acceptable unless it is ruled out, but only preferred where somebody says so.
        return gzip > 0 && gzip >= weights["identity", default: 0]
    }

    /// - Returns: 1 without `q`; nil for a malformed one.
    private static func weight(_ parameters: some Sequence<Substring>) -> Double? {
        for parameter in parameters where parameter.lowercased().hasPrefix("q=") {
            guard let weight = Double(parameter.dropFirst(2)), (0...1).contains(weight) else { return nil }
            return weight
        }
        return 1
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let head = text.drop { $0 == " " || $0 == "\t" }
        guard let last = head.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return head[...last]
    }
}
