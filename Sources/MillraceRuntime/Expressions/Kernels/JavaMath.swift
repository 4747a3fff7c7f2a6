import Glibc

/// The functions of `java.lang.StrictMath` whose last digit differs from that of the C library.
///
/// The algorithms and coefficients are those of fdlibm, which Java's specification names: arguments are brought into a small
/// range and a polynomial is taken there. Errors stay below one unit in the last place.
enum JavaMath {
    private static let halfPiHigh = 1.57079632679489655800e+00
    private static let halfPiLow = 6.12323399573676603587e-17
    private static let piLow = 1.2246467991473531772e-16

    private static func upper(_ x: Double) -> UInt32 { UInt32(truncatingIfNeeded: x.magnitude.bitPattern >> 32) }
    private static func withoutLowWord(_ x: Double) -> Double {
        Double(bitPattern: x.bitPattern & 0xFFFF_FFFF_0000_0000)
    }

    /// The C library's is off by one unit for every thirteenth number; Java's is not.
    static func log10(_ x: Double) -> Double {
        #if arch(x86_64)
            Double(Glibc.log10(Float80(x)))
        #else
            Glibc.log10(x)
        #endif
    }

    // MARK: Inverse functions

    /// p / q of asin's polynomial in t = x².
    private static func asinRatio(_ t: Double) -> Double {
        let p =
            t
            * (1.66666666666666657415e-01
                + t
                * (-3.25565818622400915405e-01
                    + t
                    * (2.01212532134862925881e-01
                        + t
                        * (-4.00555345006794114027e-02
                            + t * (7.91534994289814532176e-04 + t * 3.47933107596021167570e-05)))))
        let q =
            1
            + t
            * (-2.40339491173441421878e+00
                + t
                * (2.02094576023350569471e+00
                    + t * (-6.88283971605453293030e-01 + t * 7.70381505559019352791e-02)))
        return p / q
    }

    static func asin(_ x: Double) -> Double {
        let magnitude = x.magnitude
        if magnitude >= 1 { return magnitude == 1 ? x * halfPiHigh + x * halfPiLow : .nan }
        if magnitude < 0.5 {
            if magnitude < 0x1p-27 { return x }
            return x + x * asinRatio(x * x)
        }
        guard magnitude < 1 else { return x }
        let t = (1 - magnitude) * 0.5
        let ratio = asinRatio(t)
        let s = t.squareRoot()
        let result: Double
        if upper(x) >= 0x3FEF_3333 {
            result = halfPiHigh - (2 * (s + s * ratio) - halfPiLow)
        } else {
            let w = withoutLowWord(s)
            let c = (t - w * w) / (s + w)
            let p = 2 * s * ratio - (halfPiLow - 2 * c)
            let q = 7.85398163397448278999e-01 - 2 * w
            result = 7.85398163397448278999e-01 - (p - q)
        }
        return x > 0 ? result : -result
    }

    static func acos(_ x: Double) -> Double {
        let magnitude = x.magnitude
        if magnitude >= 1 {
            if magnitude > 1 { return .nan }
            return x > 0 ? 0 : Double.pi + 2 * halfPiLow
        }
        if magnitude < 0.5 {
            if magnitude <= 0x1p-57 { return halfPiHigh + halfPiLow }
            return halfPiHigh - (x - (halfPiLow - x * asinRatio(x * x)))
        }
        if x < 0 {
            let z = (1 + x) * 0.5
            let s = z.squareRoot()
            return Double.pi - 2 * (s + (asinRatio(z) * s - halfPiLow))
        }
        guard x > 0 else { return x }
        let z = (1 - x) * 0.5
        let s = z.squareRoot()
        let high = withoutLowWord(s)
        let c = (z - high * high) / (s + high)
        return 2 * (high + (asinRatio(z) * s + c))
    }

    static func atan(_ argument: Double) -> Double {
        var x = argument.magnitude
        if x >= 0x1p66 {
            if x.isNaN { return x }
            return argument > 0 ? halfPiHigh + halfPiLow : -halfPiHigh - halfPiLow
        }
        var base: (high: Double, low: Double)?
        if x < 0.4375 {
            if x < 0x1p-29 { return argument }
            x = argument
        } else if x < 0.6875 {
            base = (4.63647609000806093515e-01, 2.26987774529616870924e-17)
            x = (2 * x - 1) / (2 + x)
        } else if x < 1.1875 {
            base = (7.85398163397448278999e-01, 3.06161699786838301793e-17)
            x = (x - 1) / (x + 1)
        } else if x < 2.4375 {
            base = (9.82793723247329054082e-01, 1.39033110312309984516e-17)
            x = (x - 1.5) / (1 + 1.5 * x)
        } else if x.isNaN {
            return x
        } else {
            base = (halfPiHigh, halfPiLow)
            x = -1 / x
        }
        let z = x * x
        let w = z * z
        let odd =
            z
            * (3.33333333333329318027e-01
                + w
                * (1.42857142725034663711e-01
                    + w
                    * (9.09088713343650656196e-02
                        + w
                        * (6.66107313738753120669e-02 + w
                            * (4.97687799461593236017e-02 + w * 1.62858201153657823623e-02)))))
        let even =
            w
            * (-1.99999999998764832476e-01
                + w
                * (-1.11111104054623557880e-01
                    + w
                    * (-7.69187620504482999495e-02 + w * (-5.83357013379057348645e-02 + w * -3.65315727442169155270e-02))))
        guard let base else { return x - x * (odd + even) }
        let result = base.high - ((x * (odd + even) - base.low) - x)
        return argument < 0 ? -result : result
    }

    static func atan2(_ y: Double, _ x: Double) -> Double {
        // NaN, zeros and infinities have exact answers.
        if x.isNaN || y.isNaN || x == 0 || y == 0 || x.isInfinite || y.isInfinite { return Glibc.atan2(y, x) }
        if x == 1 { return atan(y) }
        let difference = (Int(upper(y)) - Int(upper(x))) >> 20
        let angle: Double
        if difference > 60 {
            angle = halfPiHigh + 0.5 * piLow
        } else if x < 0, difference < -60 {
            angle = 0
        } else {
            angle = atan((y / x).magnitude)
        }
        if x > 0 { return y > 0 ? angle : -angle }
        return y > 0 ? Double.pi - (angle - piLow) : (angle - piLow) - Double.pi
    }

    // MARK: Hyperbolic functions

    private static let ln2High = 6.93147180369123816490e-01
    private static let ln2Low = 1.90821492927058770002e-10
    private static let inverseLn2 = 1.44269504088896338700e+00

    /// x = k ln 2 + r with r in two parts.
    private static func reduced(_ x: Double) -> (k: Int, high: Double, low: Double) {
        if upper(x) <= 0x3FD6_2E42 { return (0, x, 0) }
        if upper(x) < 0x3FF0_A2B2 {
            return x > 0 ? (1, x - ln2High, ln2Low) : (-1, x + ln2High, -ln2Low)
        }
        let k = Int(inverseLn2 * x + (x < 0 ? -0.5 : 0.5))
        return (k, x - Double(k) * ln2High, Double(k) * ln2Low)
    }

    private static func exp(_ argument: Double) -> Double {
        if argument.magnitude < 0x1p-28 { return 1 + argument }
        let (k, high, low) = reduced(argument)
        let x = k == 0 ? argument : high - low
        let t = x * x
        let c =
            x
            - t
            * (1.66666666666666019037e-01
                + t
                * (-2.77777777770155933842e-03
                    + t
                    * (6.61375632143793436117e-05
                        + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))))
        if k == 0 { return 1 - ((x * c) / (c - 2) - x) }
        return scalbn(1 - ((low - (x * c) / (2 - c)) - high), Int32(clamping: k))
    }

    private static func expm1(_ argument: Double) -> Double {
        if argument.magnitude < 0x1p-54 { return argument }
        let (k, high, low) = reduced(argument)
        let x = k == 0 ? argument : high - low
        let c = k == 0 ? 0 : (high - x) - low
        let half = 0.5 * x
        let square = x * half
        let r =
            1 + square
            * (-3.33333333333331316428e-02
                + square
                * (1.58730158725481460165e-03
                    + square
                    * (-7.93650757867487942473e-05
                        + square * (4.00821782732936239552e-06 + square * -2.01099218183624371326e-07))))
        let t = 3 - r * half
        var e = square * ((r - t) / (6 - x * t))
        if k == 0 { return x - (x * e - square) }
        e = x * (e - c) - c
        e -= square
        if k == -1 { return 0.5 * (x - e) - 0.5 }
        if k == 1 { return x < -0.25 ? -2 * (e - (x + 0.5)) : 1 + 2 * (x - e) }
        let power = Int32(clamping: k)
        if k <= -2 || k > 56 { return scalbn(1 - (e - x), power) - 1 }
        if k < 20 { return scalbn((1 - scalbn(1, -power)) - (e - x), power) }
        return scalbn((x - (e + scalbn(1, -power))) + 1, power)
    }

    static func sinh(_ x: Double) -> Double {
        let magnitude = x.magnitude
        if x.isNaN || x.isInfinite || magnitude < 0x1p-28 { return x }
        let half = x < 0 ? -0.5 : 0.5
        if magnitude < 22 {
            let t = expm1(magnitude)
            return magnitude < 1 ? half * (2 * t - t * t / (t + 1)) : half * (t + t / (t + 1))
        }
        if magnitude < 709.782 { return half * exp(magnitude) }
        guard magnitude <= 710.4758600739439 else { return x > 0 ? .infinity : -.infinity }
        let w = exp(0.5 * magnitude)
        return half * w * w
    }

    static func cosh(_ x: Double) -> Double {
        let magnitude = x.magnitude
        if x.isNaN || x.isInfinite { return magnitude }
        if upper(x) < 0x3FD6_2E43 {
            let t = expm1(magnitude)
            let w = 1 + t
            return magnitude < 0x1p-55 ? w : 1 + (t * t) / (w + w)
        }
        if magnitude < 22 {
            let t = exp(magnitude)
            return 0.5 * t + 0.5 / t
        }
        if magnitude < 709.782 { return 0.5 * exp(magnitude) }
        guard magnitude <= 710.4758600739439 else { return .infinity }
        let w = exp(0.5 * magnitude)
        return 0.5 * w * w
    }

    static func tanh(_ x: Double) -> Double {
        let magnitude = x.magnitude
        if x.isNaN { return x }
        let result: Double
        if magnitude >= 22 {
            result = 1
        } else if magnitude < 0x1p-55 {
            return x * (1 + x)
        } else if magnitude >= 1 {
            result = 1 - 2 / (expm1(2 * magnitude) + 2)
        } else {
            let t = expm1(-2 * magnitude)
            result = -t / (t + 2)
        }
        return x < 0 ? -result : result
    }
}
