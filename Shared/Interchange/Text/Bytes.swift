extension Array<UInt8> {
    /// `withUnsafeBytes` with a typed error.
    func withBytes<Value>(
        _ body: (UnsafeRawBufferPointer) throws(InterchangeError) -> Value
    ) throws(InterchangeError) -> Value {
        var result: Result<Value, InterchangeError>?
        withUnsafeBytes { bytes in
            result = Result { () throws(InterchangeError) in try body(bytes) }
        }
        guard let result else { throw InterchangeError(.body, "the body cannot be read") }
        return try result.get()
    }
}

extension OpenMetricsParser {
    public static func parse(
        _ bytes: [UInt8], limits: ExpositionLimits = ExpositionLimits()
    ) throws(InterchangeError) -> Exposition {
        try bytes.withBytes { bytes throws(InterchangeError) in try parse(bytes, limits: limits) }
    }
}
