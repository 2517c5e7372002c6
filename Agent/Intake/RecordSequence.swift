import JSON

/// Finds the records in a request's body: one object, an array, an object that wraps an array, or NDJSON.
///
/// Objects may follow one another with any white space between them. After a syntax error the reading resumes at the
/// next line that begins with `{` (a broken NDJSON line costs itself only); within an array it cannot, and ends.
struct RecordSequence {
    var reader: JSONReader
    /// Records met so far, refused ones included.
    var count = 0
    var rejections = IntakeRejections()
    /// Whether the body ended early: a syntax error that nothing follows, or too many records.
    var isCutShort = false
    /// Set by a record that turned out to wrap others (`{"events":[…]}`): an error then ends the reading, because
    /// resuming would read its elements twice.
    var isWrapped = false

    init(_ bytes: UnsafeRawBufferPointer) {
        // A byte-order mark is tolerated at the very start (RFC 8259 section 8.1).
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        reader = JSONReader(bytes, from: bytes.starts(with: mark) ? 3 : 0)
    }

    /// Calls `record` with the reader before each top-level record (an element, where the body is an array).
    /// `record` reads exactly one value.
    @inline(__always)
    mutating func forEach(_ record: (inout RecordSequence) throws(JSONError) -> Void) {
        reader.skipWhitespace()
        guard !reader.isAtEnd else {
            rejections.append(
                IntakeRejection(
                    index: 0, field: nil, reason: "the body is empty; send a JSON object", isSyntaxError: true))
            isCutShort = true
            return
        }
        if reader.bytes[reader.position] == UInt8(ascii: "[") {
            do throws(JSONError) {
                try readElements(record)
                reader.skipWhitespace()
                if !isCutShort, !reader.isAtEnd { throw reader.expected("nothing after the array") }
            } catch {
                refuse(error)
                isCutShort = true
            }
            return
        }
        while !isCutShort, !reader.isAtEnd {
            let start = reader.position
            do throws(JSONError) {
                guard hasRoom() else { return }
                guard reader.bytes[start] == UInt8(ascii: "{") else { throw reader.expected("an object, {…}") }
                try record(&self)
            } catch {
                refuse(error)
                if isWrapped { isCutShort = true } else { resume(after: start) }
            }
            reader.skipWhitespace()
        }
    }

    /// Calls `record` before each element of the array that starts here.
    @inline(__always)
    mutating func readElements(_ record: (inout RecordSequence) throws(JSONError) -> Void) throws(JSONError) {
        try reader.enterArray()
        while try reader.nextElement() {
            guard hasRoom() else { return }
            try record(&self)
        }
    }

    @inline(__always)
    private mutating func hasRoom() -> Bool {
        if count < IntakeLimits.recordsMax { return true }
        refuse(
            "more than \(IntakeLimits.recordsMax) records in one request; the rest was not read: send smaller batches")
        isCutShort = true
        return false
    }

    @inline(never)
    private mutating func refuse(_ reason: String, isSyntaxError: Bool = false) {
        rejections.append(IntakeRejection(index: count, field: nil, reason: reason, isSyntaxError: isSyntaxError))
        count += 1
    }

    @inline(never)
    private mutating func refuse(_ error: JSONError) {
        // Finding the line costs a pass over the body: only for errors that are shown.
        let isListed = rejections.listed.count < IntakeRejections.listedMax
        let line = isListed ? reader.line(of: error.offset) : 0
        refuse(
            isListed ? "not JSON: \(error.reason), at byte \(error.offset), line \(line)" : "not JSON",
            isSyntaxError: true)
    }

    /// The first line after `start` that begins with an opening brace. Going back to the line after `start` (and not
    /// after the error) keeps a whole record that follows a truncated one; the reader's bound on depth keeps this linear.
    private mutating func resume(after start: Int) {
        reader.depth = 0
        var index = start
        while index < reader.bytes.count {
            while index < reader.bytes.count, reader.bytes[index] != 0x0a { index += 1 }
            reader.position = index
            reader.skipWhitespace()
            if reader.isAtEnd || reader.bytes[reader.position] == UInt8(ascii: "{") { return }
            index = reader.position
        }
        reader.position = reader.bytes.count
    }
}
