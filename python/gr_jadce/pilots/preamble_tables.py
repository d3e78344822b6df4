# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of random access preambles: Tables 6.3.3.1-1 to -7 of 3GPP TS 38.211, without restricted sets.

Times are in units of κ T_c = 1/(30.72 MHz), those of the short formats at a spacing of 15 kHz.
"""

from typing import NamedTuple

LONG, SHORT = 839, 139  # L_RA


class FormatRow(NamedTuple):
    """A preamble format: length of its sequence, spacing of its subcarriers (Hz; of short ones any of
    15, 30, 60, 120 kHz), how often its symbol is sent, and duration of the cyclic prefix."""

    length: int
    spacing: float
    repetitions: int
    prefix: int


FORMATS = {
    "0": FormatRow(LONG, 1250.0, 1, 3168),
    "1": FormatRow(LONG, 1250.0, 2, 21024),
    "2": FormatRow(LONG, 1250.0, 4, 4688),
    "3": FormatRow(LONG, 5000.0, 4, 3168),
    "A1": FormatRow(SHORT, 15e3, 2, 288),
    "A2": FormatRow(SHORT, 15e3, 4, 576),
    "A3": FormatRow(SHORT, 15e3, 6, 864),
    "B1": FormatRow(SHORT, 15e3, 2, 216),
    "B2": FormatRow(SHORT, 15e3, 4, 360),
    "B3": FormatRow(SHORT, 15e3, 6, 504),
    "B4": FormatRow(SHORT, 15e3, 12, 936),
    "C0": FormatRow(SHORT, 15e3, 1, 1240),
    "C2": FormatRow(SHORT, 15e3, 4, 2048),
}
SHORT_SPACINGS = (15e3, 30e3, 60e3, 120e3)
CYCLIC_SHIFTS = {  # N_CS by zeroCorrelationZoneConfig, for each spacing of long sequences, and of short ones
    1250.0: (0, 13, 15, 18, 22, 26, 32, 38, 46, 59, 76, 93, 119, 167, 279, 419),
    5000.0: (0, 13, 26, 33, 38, 41, 49, 55, 64, 76, 93, 119, 139, 209, 279, 419),
    15e3: (0, 2, 4, 6, 8, 10, 12, 13, 15, 17, 19, 23, 27, 34, 46, 69),
}
# Physical roots by logical index, every other one: after u comes L − u. Of short sequences 1, 138, 2, 137, …
_LONG_ROOTS = """
    129 140 120 210 168 84 105 93 70 60 2 1 56 112 148 80 42 40 35 73 146 31 28 30 27 29 24 48 68 74 178 136
    86 78 43 39 20 21 95 202 190 181 137 125 151 217 128 142 122 203 118 110 89 103 61 55 15 14 12 23 34 37
    46 207 179 145 130 223 228 227 132 133 143 135 161 201 173 106 83 91 66 53 10 9 7 8 16 47 64 57 104 101
    108 208 184 197 191 121 141 149 216 218 152 144 134 138 199 162 176 119 158 164 174 171 170 87 169 88
    107 81 82 100 98 71 59 65 50 49 26 17 13 6 5 33 51 75 99 96 97 166 172 175 187 163 185 200 114 189 115
    194 195 192 182 157 156 211 154 123 139 212 153 213 215 150 225 224 221 220 127 147 124 193 205 206 116
    160 186 167 79 85 77 92 58 62 69 54 36 32 25 18 11 4 3 19 22 41 38 44 52 45 63 67 72 76 94 102 90 109
    165 111 209 204 117 188 159 198 113 183 180 177 196 155 214 126 131 219 222 226 230 232 262 252 418 416
    413 411 376 395 283 285 379 390 363 384 388 386 361 387 360 310 354 328 315 337 349 335 324 323 320 334
    359 295 385 292 291 381 399 380 397 369 377 410 407 281 414 247 277 271 272 264 259 237 239 244 243 275
    278 250 246 417 248 394 393 370 365 300 299 364 362 298 312 313 314 353 352 343 327 350 326 319 332 333
    348 347 322 330 338 341 340 342 301 366 401 371 408 375 249 269 238 234 257 273 255 254 245 251 412 372
    282 403 396 392 391 382 389 294 297 311 344 345 318 331 325 321 346 339 351 306 289 400 378 374 415 270
    241 231 260 268 276 409 398 290 304 308 358 316 293 288 284 368 253 256 263 242 274 402 383 357 329 317
    307 286 287 266 261 236 303 356 355 405 404 406 235 267 302 309 265 233 367 296 336 305 373 280 279 419
    240 258 229
"""
_HALVES = {LONG: tuple(map(int, _LONG_ROOTS.split())), SHORT: tuple(range(1, 70))}


def physical_root(length: int, logical: int) -> int:
    """The root u of a logical index, which counts on from 0 behind the last of L − 1."""
    half = _HALVES[length][logical % (length - 1) // 2]
    return length - half if logical % 2 else half
